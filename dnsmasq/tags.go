package dnsmasq

import (
	"errors"
	"fmt"
	"strings"

	"github.com/vnetmgr/vnetmgr/dhcpd"
)

// required reads "tag:name", and its older form "net:name"; a tag that must
// not be there begins with an exclamation mark.
func required(part string) (tag string, ok bool) {
	if tag, ok = strings.CutPrefix(part, "tag:"); !ok {
		tag, ok = strings.CutPrefix(part, "net:")
	}
	return tag, ok && strings.TrimPrefix(tag, "!") != ""
}

// condition reads the tags at the start of a list and returns the rest; more
// is false if there is none.
func condition(list string) (c dhcpd.Condition, rest string, more bool) {
	more = true
	for more {
		part, after, hasMore := next(list)
		tag, ok := required(part)
		if !ok {
			return c, list, true
		}
		c = append(c, tag)
		list, more = after, hasMore
	}
	return c, "", false
}

// onlyConditions reads a value that is tags and nothing else.
func onlyCondition(arg string) (dhcpd.Condition, error) {
	c, rest, more := condition(arg)
	if more && rest != "" {
		return nil, fmt.Errorf("%q is not a tag", shown(rest))
	}
	return c, nil
}

// setTag reads the tag to set at the start of a list. "set:" may be left out.
func setTag(list string) (tag, rest string, err error) {
	part, rest, more := next(list)
	tag = strings.TrimPrefix(strings.TrimPrefix(part, "set:"), "net:")
	if tag == "" || !more || strings.ContainsAny(tag, "!:") {
		return "", "", errors.New("a tag and what it is for are needed")
	}
	return tag, rest, nil
}

// tagIf reads tag-if=set:tag,...[,tag:tag]...
func (r *reader) tagIf(arg string) error {
	var t dhcpd.TagIf
	for _, part := range split(arg) {
		if tag, ok := required(part); ok {
			t.If = append(t.If, tag)
			continue
		}
		tag, ok := strings.CutPrefix(part, "set:")
		if !ok || tag == "" {
			return fmt.Errorf("%q has neither set: nor tag: in front", part)
		}
		t.Tags = append(t.Tags, tag)
	}
	if len(t.Tags) == 0 {
		return errors.New("no tag to set")
	}
	r.o.Rules.TagIfs = append(r.o.Rules.TagIfs, t)
	r.o.Rules6.TagIfs = append(r.o.Rules6.TagIfs, t)
	return nil
}

func (r *reader) dhcpIgnore(arg string) error {
	return errors.Join(addCondition(&r.o.Rules.Ignore, arg), addCondition(&r.o.Rules6.Ignore, arg))
}

func (r *reader) dhcpIgnoreNames(arg string) error {
	return errors.Join(addCondition(&r.o.Rules.IgnoreNames, arg), addCondition(&r.o.Rules6.IgnoreNames, arg))
}

func (r *reader) dhcpBroadcast(arg string) error {
	return addCondition(&r.o.Rules.Broadcast, arg)
}

func addCondition(to *[]dhcpd.Condition, arg string) error {
	c, err := onlyCondition(arg)
	*to = append(*to, c)
	return err
}
