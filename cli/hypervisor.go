package cli

import (
	"context"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"

	"github.com/digitalocean/go-libvirt"
)

// hypervisorURI is what commands on domains talk to when no -c says
// otherwise: our own daemon has no domains.
const hypervisorURI = "qemu:///system"

// hypervisor returns the connection to the libvirt that has the domains.
func (sh *shell) hypervisor(ctx context.Context) (*session, error) {
	if sh.virt != nil && sh.virt.alive() {
		return sh.virt, nil
	}
	uri := sh.opts.uri
	if uri == "" {
		uri = hypervisorURI
	}
	t, err := parseTarget(uri, sh.opts.readOnly, sh.env.Getenv)
	if err != nil {
		return nil, fail(err, "failed to connect to the hypervisor")
	}
	conn, err := t.dial(ctx, sh.opts.readOnly)
	var s *session
	if err == nil {
		s, err = sh.openDriver(ctx, conn, t.driver, sh.opts.readOnly)
	}
	if errors.Is(err, errInterrupted) {
		return nil, err
	}
	if err != nil {
		return nil, fail(err, "failed to connect to the hypervisor")
	}
	sh.virt = s
	return s, nil
}

// onDomain is a domain that a command is about.
type onDomain struct {
	libvirt.Domain
	s     *session
	given string // its name as the user wrote it
}

// domain finds the domain that the option "domain" names by id, UUID or name.
func (sh *shell) domain(ctx context.Context, in invocation) (onDomain, error) {
	given, err := in.text("domain")
	if err != nil {
		return onDomain{}, err
	}
	s, err := sh.hypervisor(ctx)
	if err != nil {
		return onDomain{}, err
	}
	d, err := s.findDomain(ctx, given)
	if hasCode(err, libvirt.ErrNoDomain) {
		return onDomain{}, worded("failed to get domain '" + given + "'")
	}
	if err != nil {
		return onDomain{}, fail(err, "failed to get domain '%s'", given)
	}
	return onDomain{Domain: d, s: s, given: given}, nil
}

func (s *session) findDomain(ctx context.Context, given string) (d libvirt.Domain, err error) {
	if id, convErr := strconv.ParseInt(given, 10, 32); convErr == nil && id >= 0 {
		err = s.do(ctx, "virDomainLookupByID", func() (err error) {
			d, err = s.virt.DomainLookupByID(int32(id))
			return err
		})
		if err == nil {
			return d, nil
		}
	}
	if raw, hexErr := hex.DecodeString(strings.ReplaceAll(given, "-", "")); hexErr == nil && len(given) == uuidLength && len(raw) == len(d.UUID) {
		err = s.do(ctx, "virDomainLookupByUUID", func() (err error) {
			d, err = s.virt.DomainLookupByUUID(libvirt.UUID(raw))
			return err
		})
		if err == nil {
			return d, nil
		}
	}
	err = s.do(ctx, "virDomainLookupByName", func() (err error) {
		d, err = s.virt.DomainLookupByName(given)
		return err
	})
	return d, err
}

// xml returns a domain's definition: that in force, or that on disk.
func (d onDomain) xml(ctx context.Context, inactive bool) (doc string, err error) {
	var flags libvirt.DomainXMLFlags
	if inactive {
		flags = libvirt.DomainXMLInactive
	}
	err = d.s.do(ctx, "virDomainGetXMLDesc", func() (err error) {
		doc, err = d.s.virt.DomainGetXMLDesc(d.Domain, flags)
		return err
	})
	return doc, err
}

// active reports whether the domain runs.
func (d onDomain) active(ctx context.Context) (bool, error) {
	var answer int32
	err := d.s.do(ctx, "virDomainIsActive", func() (err error) {
		answer, err = d.s.virt.DomainIsActive(d.Domain)
		return err
	})
	return answer == 1, err
}

// The options that say what a change is to affect, and their names in
// libvirt's flags, which are the same for devices and parameters.
const (
	affectLive   = uint32(libvirt.DomainAffectLive)
	affectConfig = uint32(libvirt.DomainAffectConfig)
)

// affected turns --config, --live, --current and --persistent into flags.
func (d onDomain) affected(ctx context.Context, in invocation) (uint32, error) {
	var flags uint32
	if in.has("config") || in.has("persistent") {
		flags |= affectConfig
	}
	if in.has("live") {
		flags |= affectLive
	}
	if in.has("persistent") {
		active, err := d.active(ctx)
		if err != nil {
			return 0, err
		}
		if active {
			flags |= affectLive
		}
	}
	return flags, nil
}

// exclusive refuses --current with any of what it contradicts.
func exclusive(in invocation) error {
	for _, other := range []string{"persistent", "config", "live"} {
		if in.has("current") && in.has(other) {
			first, second := "current", other
			if other == "persistent" {
				first, second = other, "current"
			}
			return worded("Options --" + first + " and --" + second + " are mutually exclusive")
		}
	}
	return nil
}
