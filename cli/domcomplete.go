package cli

import (
	"context"

	"github.com/digitalocean/go-libvirt"
)

// domainNames completes a domain. Without libvirt there is none.
func domainNames(ctx context.Context, sh *shell) []string {
	s, err := sh.hypervisor(ctx)
	if err != nil {
		return nil
	}
	var all []libvirt.Domain
	err = s.do(ctx, "virConnectListAllDomains", func() (err error) {
		all, _, err = s.virt.ConnectListAllDomains(1, 0)
		return err
	})
	if err != nil {
		return nil
	}
	words := make([]string, len(all))
	for i, d := range all {
		words[i] = d.Name
	}
	return words
}

// interfaceNames completes an interface of the domain that was given: by its
// link, or by its MAC address where it has none.
func interfaceNames(ctx context.Context, sh *shell) []string {
	var words []string
	for _, c := range sh.givenCards(ctx) {
		word := c.target
		if word == "" {
			word = c.mac
		}
		words = append(words, word)
	}
	return words
}

// interfaceMACs completes the MAC address of an interface of that domain.
func interfaceMACs(ctx context.Context, sh *shell) []string {
	var words []string
	for _, c := range sh.givenCards(ctx) {
		words = append(words, c.mac)
	}
	return words
}

// givenCards reads the interfaces of the domain on the line that is completed.
func (sh *shell) givenCards(ctx context.Context) []card {
	s, err := sh.hypervisor(ctx)
	if err != nil {
		return nil
	}
	d, err := s.findDomain(ctx, sh.given["domain"])
	if err != nil {
		return nil
	}
	all, err := onDomain{Domain: d, s: s}.cards(ctx, false)
	if err != nil {
		return nil
	}
	return all
}

func linkStates(context.Context, *shell) []string { return []string{"up", "down"} }

func addressSources(context.Context, *shell) []string { return []string{"lease", "agent", "arp"} }

func cardModels(context.Context, *shell) []string {
	return []string{"virtio", "e1000e", "e1000", "rtl8139"}
}
