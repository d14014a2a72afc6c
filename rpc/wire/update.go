package wire

// UpdateArgs are NetworkUpdate's.
type UpdateArgs struct {
	Network     Network
	Command     uint32
	Section     uint32
	ParentIndex int32
	XML         string
	Flags       uint32
}

// The flags of UpdateArgs, SetMetadataArgs and GetMetadataArgs; 0 is the
// definition in force.
const (
	AffectLive   uint32 = 1
	AffectConfig uint32 = 2
)

// The types of metadata.
const (
	MetadataDescription int32 = 0
	MetadataTitle       int32 = 1
	MetadataElement     int32 = 2
)

// SetMetadataArgs are NetworkSetMetadata's; a nil Metadata deletes. Key and URI
// are the prefix and namespace of an element.
type SetMetadataArgs struct {
	Network  Network
	Type     int32
	Metadata *string
	Key      *string
	URI      *string
	Flags    uint32
}

// GetMetadataArgs are NetworkGetMetadata's.
type GetMetadataArgs struct {
	Network Network
	Type    int32
	URI     *string
	Flags   uint32
}

// MetadataEvent is the message NetworkEventMetadataChange; URI is of an
// element.
type MetadataEvent struct {
	CallbackID int32
	Network    Network
	Type       int32
	URI        *string
}
