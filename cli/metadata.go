package cli

import (
	"context"
	"encoding/xml"
	"errors"
	"os"
	"strings"

	"github.com/digitalocean/go-libvirt"

	"github.com/vnetmgr/vnetmgr/rpc/wire"
)

// readOptions say which of a network's definitions is shown or changed.
func readOptions() []option {
	return []option{
		{name: "live", help: "modify/get running state"},
		{name: "config", help: "modify/get persistent configuration"},
		{name: "current", help: "modify/get current state configuration"},
	}
}

func netDescCommand() *command {
	return &command{
		name: "net-desc", summary: "show or set network's description or title", run: netDesc,
		about: "Allows setting or modifying the description or title of a network.",
		options: append(append([]option{networkOption("network name or uuid", allNetworks)}, readOptions()...),
			option{name: "title", help: "modify/get the title instead of description"},
			option{name: "edit", help: "open an editor to modify the description"},
			option{name: "new-desc", kind: textOption, many: true, help: "message"},
		),
	}
}

func netMetadataCommand() *command {
	return &command{
		name: "net-metadata", summary: "show or set network's custom XML metadata", run: netMetadata,
		about: "Shows or modifies the XML metadata of a network.",
		options: append(append([]option{
			networkOption("network name or uuid", allNetworks),
			{name: "uri", kind: textOption, required: true, help: "URI of the namespace"},
		}, readOptions()...),
			option{name: "edit", help: "use an editor to change the metadata"},
			option{name: "key", kind: textOption, help: "key to be used as a namespace identifier"},
			option{name: "set", kind: textOption, help: "new metadata to set"},
			option{name: "remove", help: "remove the metadata corresponding to an uri"},
		),
	}
}

// description is one run of net-desc.
type description struct {
	sh      *shell
	network libvirt.Network
	kind    int32
	word    string // "title" or "description"
	flags   uint32
}

// netDesc runs net-desc: it shows the description or title, or sets it to the
// words given, or to what an editor makes of it or of them.
func netDesc(ctx context.Context, sh *shell, in invocation) error {
	flags, err := in.affected()
	if err != nil {
		return err
	}
	n, _, err := sh.lookup(ctx, in, byEither)
	if err != nil {
		return err
	}
	d := description{sh: sh, network: n, kind: wire.MetadataDescription, word: "description", flags: flags}
	if in.has("title") {
		d.kind, d.word = wire.MetadataTitle, "title"
	}
	text, given := in.values["new-desc"]
	if !given && !in.has("edit") {
		return d.show(ctx)
	}
	// virsh reads it first, too: a network that cannot be read is not changed.
	before, err := d.read(ctx)
	if err != nil {
		return err
	}
	if !given {
		text = before
	}
	if in.has("edit") {
		if text, err = d.edit(ctx, text); err != nil {
			return err
		}
		if text == before {
			sh.extraf("Network %s not changed\n", d.word)
			return nil
		}
	}
	return d.set(ctx, text)
}

func (d *description) show(ctx context.Context) error {
	text, err := d.read(ctx)
	if err != nil {
		return err
	}
	if text == "" {
		d.sh.extraf("No %s for network: %s", d.word, d.network.Name)
	}
	d.sh.printf("%s", text)
	return nil
}

// read returns the text, "" if there is none. A daemon without metadata, before
// libvirt 9.7, is asked for the whole definition.
func (d *description) read(ctx context.Context) (string, error) {
	text, err := d.sh.conn.metadata(ctx, d.network, d.kind, nil, oneOf(d.flags))
	var unsupported unsupportedError
	if errors.As(err, &unsupported) || hasCode(err, libvirt.ErrNoSupport) {
		return d.fromXML(ctx)
	}
	return text, err
}

func (d *description) fromXML(ctx context.Context) (string, error) {
	doc, err := d.sh.conn.xml(ctx, d.network, d.flags&wire.AffectConfig != 0)
	if err != nil {
		return "", err
	}
	var parsed struct {
		Title       string `xml:"title"`
		Description string `xml:"description"`
	}
	err = xml.Unmarshal([]byte(doc), &parsed)
	if d.kind == wire.MetadataTitle {
		return parsed.Title, err
	}
	return parsed.Description, err
}

// edit lets the user edit a text. A title loses the line break that editors
// end a file with.
func (d *description) edit(ctx context.Context, text string) (string, error) {
	file, err := writeTemp(text)
	if err != nil {
		return "", err
	}
	defer os.Remove(file)
	if err := d.sh.runEditor(ctx, file); err != nil {
		return "", err
	}
	edited, err := readXMLFile(file)
	if d.kind == wire.MetadataTitle {
		edited = strings.TrimSuffix(edited, "\n")
	}
	return edited, err
}

func (d *description) set(ctx context.Context, text string) error {
	if err := d.sh.conn.setMetadata(ctx, d.network, d.kind, &text, nil, nil, d.flags); err != nil {
		return fail(err, "Failed to set new network %s", d.word)
	}
	d.sh.extraf("Network %s updated successfully", d.word)
	return nil
}

// netMetadata runs net-metadata.
func netMetadata(ctx context.Context, sh *shell, in invocation) error {
	flags, err := in.affected()
	if err != nil {
		return err
	}
	for _, pair := range [][2]string{{"edit", "set"}, {"remove", "set"}, {"remove", "edit"}} {
		if err := in.exclusive(pair[0], pair[1]); err != nil {
			return err
		}
	}
	n, _, err := sh.lookup(ctx, in, byEither)
	if err != nil {
		return err
	}
	m := element{sh: sh, network: n, flags: flags}
	for _, o := range []struct {
		name string
		to   *string
	}{{"uri", &m.uri}, {"key", &m.key}, {"set", &m.new}} {
		if *o.to, err = in.text(o.name); err != nil {
			return err
		}
	}
	if (in.has("set") || in.has("edit")) && m.key == "" {
		return worded("namespace key is required when modifying metadata")
	}
	switch {
	case in.has("set"):
		return m.set(ctx, m.new)
	case in.has("remove"):
		return m.remove(ctx)
	case in.has("edit"):
		return m.edit(ctx)
	}
	return m.show(ctx)
}

// element is one run of net-metadata.
type element struct {
	sh            *shell
	network       libvirt.Network
	uri, key, new string
	flags         uint32
}

// show prints the element. If there is none, virsh has no error, either.
func (m *element) show(ctx context.Context) error {
	text, err := m.read(ctx)
	if err == nil && text != "" {
		m.sh.printf("%s\n", text)
	}
	return err
}

func (m *element) read(ctx context.Context) (string, error) {
	return m.sh.conn.metadata(ctx, m.network, wire.MetadataElement, &m.uri, oneOf(m.flags))
}

func (m *element) set(ctx context.Context, text string) error {
	if err := m.sh.conn.setMetadata(ctx, m.network, wire.MetadataElement, &text, &m.key, &m.uri, m.flags); err != nil {
		return err
	}
	m.sh.extraf("Metadata modified\n")
	return nil
}

func (m *element) remove(ctx context.Context) error {
	if err := m.sh.conn.setMetadata(ctx, m.network, wire.MetadataElement, nil, nil, &m.uri, m.flags); err != nil {
		return err
	}
	m.sh.extraf("Metadata removed\n")
	return nil
}

// edit lets the user edit the element, or begin one.
func (m *element) edit(ctx context.Context) error {
	e := edit{
		sh: m.sh,
		read: func(ctx context.Context) (string, error) {
			text, err := m.read(ctx)
			if text == "" {
				text = "\n"
			}
			return text, err
		},
		store:     m.set,
		unchanged: func() { m.sh.extraf("Metadata not changed") },
	}
	return e.run(ctx)
}

// oneOf is what of flags can be read: of both definitions, the one on disk.
func oneOf(flags uint32) uint32 {
	if flags&wire.AffectConfig != 0 {
		return wire.AffectConfig
	}
	return flags
}

// metadata returns a network's metadata, "" if there is none.
func (s *session) metadata(ctx context.Context, n libvirt.Network, kind int32, uri *string, flags uint32) (text string, err error) {
	err = s.do(ctx, "virNetworkGetMetadata", func() (err error) {
		text, err = s.virt.NetworkGetMetadata(n, kind, optString(uri), flags)
		return err
	})
	if hasCode(err, libvirt.ErrNoNetworkMetadata) {
		return "", nil
	}
	return text, err
}

// setMetadata sets a network's metadata; a nil text deletes it.
func (s *session) setMetadata(ctx context.Context, n libvirt.Network, kind int32, text, key, uri *string, flags uint32) error {
	if kind == wire.MetadataTitle && text != nil && strings.Contains(*text, "\n") {
		return worded("invalid argument: metadata title can't contain newlines")
	}
	return s.change(ctx, "virNetworkSetMetadata", func() error {
		return s.virt.NetworkSetMetadata(n, kind, optString(text), optString(key), optString(uri), flags)
	})
}

func optString(s *string) libvirt.OptString {
	if s == nil {
		return nil
	}
	return libvirt.OptString{*s}
}
