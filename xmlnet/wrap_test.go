package xmlnet

// The wrappers put a fragment into a document that is otherwise in order.

func doc(s string) string    { return s }
func inBare(s string) string { return "<network><name>n</name>" + s + "</network>" }

func inNetwork(s string) string {
	return inBare("<mac address='52:54:00:00:00:01'/><bridge name='virbr5'/>" + s)
}

func inDHCP(s string) string {
	return inNetwork("<ip address='192.168.1.1' netmask='255.255.255.0'><dhcp>" + s + "</dhcp></ip>")
}

func inDHCP6(s string) string {
	return inNetwork("<ip family='ipv6' address='fd00::1' prefix='64'><dhcp>" + s + "</dhcp></ip>")
}

func inRoutes(s string) string {
	return inNetwork("<ip address='192.168.1.1' prefix='24'/><ip family='ipv6' address='fd00::1' prefix='64'/>" + s)
}
