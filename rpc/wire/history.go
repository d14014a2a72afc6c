package wire

// OwnHistory returns who had which address of a network when. Its arguments
// are HistoryArgs, its result is a HistoryRet.
const OwnHistory Proc = 30

// HistoryArgs says which records are wanted; what is empty or 0 does not
// matter.
type HistoryArgs struct {
	Network  Network
	Addr     string
	MAC      string
	Hostname string
	// Since and Until are ns since 1970; the same in both is a moment.
	Since, Until int64
	Max          uint32 // the newest so many, MaxHistory at most
	Flags        uint32 // none are known
}

// MaxHistory is how many records a reply has at most.
const MaxHistory = 8192

// HistoryRet is the result of OwnHistory, oldest first.
type HistoryRet struct {
	Records []HistoryRecord `max:"8192"`
}

// HistoryRecord says that a client had an address from one time to another, in
// ns since 1970. While End is "held" Until is when its lease expires; 0 is
// never.
type HistoryRecord struct {
	Addr        string
	MAC         string
	ClientID    string // as 01:52:54:00, "" if none
	Hostname    string
	From, Until int64
	End         string // held, released, expired, replaced or lost
	CloneOf     string // MAC of who went by ClientID before, "" if nobody did
}
