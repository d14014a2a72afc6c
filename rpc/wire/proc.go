package wire

import "strconv"

// Proc is a procedure's number within its program.
type Proc uint32

// The procedures of the remote program that concern networks.
const (
	ConnectOpen                    Proc = 1
	ConnectClose                   Proc = 2
	ConnectGetType                 Proc = 3
	ConnectGetVersion              Proc = 4
	ConnectGetCapabilities         Proc = 7
	ConnectListDefinedNetworks     Proc = 36
	ConnectListDomains             Proc = 37
	ConnectListNetworks            Proc = 38
	NetworkCreate                  Proc = 39
	NetworkCreateXML               Proc = 40
	NetworkDefineXML               Proc = 41
	NetworkDestroy                 Proc = 42
	NetworkGetXMLDesc              Proc = 43
	NetworkGetAutostart            Proc = 44
	NetworkGetBridgeName           Proc = 45
	NetworkLookupByName            Proc = 46
	NetworkLookupByUUID            Proc = 47
	NetworkSetAutostart            Proc = 48
	NetworkUndefine                Proc = 49
	ConnectNumOfDefinedNetworks    Proc = 50
	ConnectNumOfDomains            Proc = 51
	ConnectNumOfNetworks           Proc = 52
	ConnectGetHostname             Proc = 59
	ConnectSupportsFeature         Proc = 60
	AuthList                       Proc = 66
	AuthPolkit                     Proc = 70
	ConnectGetURI                  Proc = 110
	ConnectIsSecure                Proc = 149
	NetworkIsActive                Proc = 152
	NetworkIsPersistent            Proc = 153
	ConnectGetLibVersion           Proc = 157
	ConnectListAllNetworks         Proc = 283
	NetworkUpdate                  Proc = 291
	NetworkEventRegisterAny        Proc = 313
	NetworkEventDeregisterAny      Proc = 314
	NetworkEventLifecycle          Proc = 315
	NetworkGetDHCPLeases           Proc = 341
	ConnectRegisterCloseCallback   Proc = 360
	ConnectUnregisterCloseCallback Proc = 361
	ConnectEventConnectionClosed   Proc = 362
	NetworkListAllPorts            Proc = 404
	NetworkPortLookupByUUID        Proc = 405
	NetworkPortCreateXML           Proc = 406
	NetworkPortGetParameters       Proc = 407
	NetworkPortSetParameters       Proc = 408
	NetworkPortGetXMLDesc          Proc = 409
	NetworkPortDelete              Proc = 410
	ConnectSetIdentity             Proc = 419
	NetworkDefineXMLFlags          Proc = 432
	NetworkCreateXMLFlags          Proc = 437
	NetworkSetMetadata             Proc = 444
	NetworkGetMetadata             Proc = 445
	NetworkEventMetadataChange     Proc = 446
)

// String returns libvirt's name of the procedure, or its number.
func (p Proc) String() string {
	if name, ok := procNames[p]; ok {
		return name
	}
	return strconv.FormatUint(uint64(p), 10)
}

var procNames = map[Proc]string{
	ConnectOpen:                    "CONNECT_OPEN",
	ConnectClose:                   "CONNECT_CLOSE",
	ConnectGetType:                 "CONNECT_GET_TYPE",
	ConnectGetVersion:              "CONNECT_GET_VERSION",
	ConnectGetCapabilities:         "CONNECT_GET_CAPABILITIES",
	ConnectListDefinedNetworks:     "CONNECT_LIST_DEFINED_NETWORKS",
	ConnectListDomains:             "CONNECT_LIST_DOMAINS",
	ConnectListNetworks:            "CONNECT_LIST_NETWORKS",
	NetworkCreate:                  "NETWORK_CREATE",
	NetworkCreateXML:               "NETWORK_CREATE_XML",
	NetworkDefineXML:               "NETWORK_DEFINE_XML",
	NetworkDestroy:                 "NETWORK_DESTROY",
	NetworkGetXMLDesc:              "NETWORK_GET_XML_DESC",
	NetworkGetAutostart:            "NETWORK_GET_AUTOSTART",
	NetworkGetBridgeName:           "NETWORK_GET_BRIDGE_NAME",
	NetworkLookupByName:            "NETWORK_LOOKUP_BY_NAME",
	NetworkLookupByUUID:            "NETWORK_LOOKUP_BY_UUID",
	NetworkSetAutostart:            "NETWORK_SET_AUTOSTART",
	NetworkUndefine:                "NETWORK_UNDEFINE",
	ConnectNumOfDefinedNetworks:    "CONNECT_NUM_OF_DEFINED_NETWORKS",
	ConnectNumOfDomains:            "CONNECT_NUM_OF_DOMAINS",
	ConnectNumOfNetworks:           "CONNECT_NUM_OF_NETWORKS",
	ConnectGetHostname:             "CONNECT_GET_HOSTNAME",
	ConnectSupportsFeature:         "CONNECT_SUPPORTS_FEATURE",
	AuthList:                       "AUTH_LIST",
	AuthPolkit:                     "AUTH_POLKIT",
	ConnectGetURI:                  "CONNECT_GET_URI",
	ConnectIsSecure:                "CONNECT_IS_SECURE",
	NetworkIsActive:                "NETWORK_IS_ACTIVE",
	NetworkIsPersistent:            "NETWORK_IS_PERSISTENT",
	ConnectGetLibVersion:           "CONNECT_GET_LIB_VERSION",
	ConnectListAllNetworks:         "CONNECT_LIST_ALL_NETWORKS",
	NetworkUpdate:                  "NETWORK_UPDATE",
	NetworkEventRegisterAny:        "CONNECT_NETWORK_EVENT_REGISTER_ANY",
	NetworkEventDeregisterAny:      "CONNECT_NETWORK_EVENT_DEREGISTER_ANY",
	NetworkEventLifecycle:          "NETWORK_EVENT_LIFECYCLE",
	NetworkGetDHCPLeases:           "NETWORK_GET_DHCP_LEASES",
	ConnectRegisterCloseCallback:   "CONNECT_REGISTER_CLOSE_CALLBACK",
	ConnectUnregisterCloseCallback: "CONNECT_UNREGISTER_CLOSE_CALLBACK",
	ConnectEventConnectionClosed:   "CONNECT_EVENT_CONNECTION_CLOSED",
	NetworkListAllPorts:            "NETWORK_LIST_ALL_PORTS",
	NetworkPortLookupByUUID:        "NETWORK_PORT_LOOKUP_BY_UUID",
	NetworkPortCreateXML:           "NETWORK_PORT_CREATE_XML",
	NetworkPortGetParameters:       "NETWORK_PORT_GET_PARAMETERS",
	NetworkPortSetParameters:       "NETWORK_PORT_SET_PARAMETERS",
	NetworkPortGetXMLDesc:          "NETWORK_PORT_GET_XML_DESC",
	NetworkPortDelete:              "NETWORK_PORT_DELETE",
	ConnectSetIdentity:             "CONNECT_SET_IDENTITY",
	NetworkDefineXMLFlags:          "NETWORK_DEFINE_XML_FLAGS",
	NetworkCreateXMLFlags:          "NETWORK_CREATE_XML_FLAGS",
	NetworkSetMetadata:             "NETWORK_SET_METADATA",
	NetworkGetMetadata:             "NETWORK_GET_METADATA",
	NetworkEventMetadataChange:     "NETWORK_EVENT_CALLBACK_METADATA_CHANGE",
}
