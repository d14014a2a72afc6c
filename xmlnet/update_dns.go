package xmlnet

import "slices"

func (u *updater) updateDNSHost(s *scanner) error {
	var d dnsHostDoc
	if err := s.decode(&d); err != nil {
		return err
	}
	host, err := u.dnsHost(d)
	if err != nil {
		return err
	}
	if err := u.commanded(); err != nil {
		return err
	}
	// To add and to modify the address counts; several may have a name.
	found := places(u.n.DNS.Hosts, func(have DNSHost) bool {
		return host.Addr.IsValid() && have.Addr == host.Addr || u.Command == Delete && shares(have.Names, host.Names)
	})
	at, err := u.only(found, "HOST", "with a matching field", "multiple matching DNS HOST records were found in network %s")
	if err != nil {
		return err
	}
	u.n.DNS.Hosts = change(u.Command, u.n.DNS.Hosts, at, host)
	return nil
}

func (u *updater) updateSRV(s *scanner) error {
	if u.Command == Modify {
		return unsupported("DNS SRV records cannot be modified, only added or deleted")
	}
	var d srvDoc
	if err := s.decode(&d); err != nil {
		return err
	}
	srv, err := u.srv(d)
	if err != nil {
		return err
	}
	if err := u.commanded(); err != nil {
		return err
	}
	found := places(u.n.DNS.SRV, func(have SRV) bool {
		return (srv.Service == "" || srv.Service == have.Service) &&
			(srv.Protocol == "" || srv.Protocol == have.Protocol) &&
			(srv.Domain == "" || srv.Domain == have.Domain) &&
			(srv.Target == "" || srv.Target == have.Target)
	})
	at, err := u.only(found, "SRV", "matching all specified fields", "multiple DNS SRV records matching all specified fields were found in network %s")
	if err != nil {
		return err
	}
	u.n.DNS.SRV = change(u.Command, u.n.DNS.SRV, at, srv)
	return nil
}

// only returns the one place among those found, to delete or modify, and
// refuses to add what was found.
func (u *updater) only(found []int, kind, matching, several string) (int, error) {
	switch {
	case u.adds() && len(found) > 0:
		return 0, refused("there is already at least one DNS %s record %s in network %s", kind, matching, u.n.Name)
	case u.adds():
		return 0, nil
	case len(found) == 0:
		return 0, refused("couldn't locate a matching DNS %s record in network %s", kind, u.n.Name)
	case len(found) > 1 && u.Command == Delete:
		return 0, refused(several, u.n.Name)
	}
	return found[0], nil
}

func (u *updater) updateTXT(s *scanner) error {
	var d txtDoc
	if err := s.decode(&d); err != nil {
		return err
	}
	txt, err := u.txt(d)
	if err != nil {
		return err
	}
	if err := u.commanded(); err != nil {
		return err
	}
	at := slices.IndexFunc(u.n.DNS.TXT, func(have TXT) bool { return have.Name == txt.Name })
	switch {
	case u.adds() && at >= 0:
		return refused("there is already a DNS TXT record with name '%s' in network %s", txt.Name, u.n.Name)
	case !u.adds() && at < 0:
		return refused("couldn't locate a matching DNS TXT record in network %s", u.n.Name)
	}
	u.n.DNS.TXT = change(u.Command, u.n.DNS.TXT, at, txt)
	return nil
}

// places returns the indexes of what matches.
func places[T any](list []T, matches func(T) bool) []int {
	var found []int
	for i, v := range list {
		if matches(v) {
			found = append(found, i)
		}
	}
	return found
}

// shares tells whether two lists have something in common.
func shares(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}
