package network

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/vnetmgr/vnetmgr/admit"
	"github.com/vnetmgr/vnetmgr/plan"
)

// admitGuests has Docker's and ufw's rules let the guests of all active
// networks through, and no others; it returns the chains that are dealt with
// so. m.change is held.
func (m *Manager) admitGuests(ctx context.Context) []string {
	var networks []admit.Network
	for _, e := range m.byID {
		if m.cfg.AdmitGuests && e.live != nil && e.plan.NAT != nil {
			networks = append(networks, needs(e.plan))
		}
	}
	answered, err := m.host.AdmitGuests(context.WithoutCancel(ctx), networks)
	switch {
	case errors.Is(err, admit.ErrBusy):
		m.readmit()
	case err != nil:
		m.log.Warn("let guests through other programs' rules", "err", err)
	}
	if !m.cfg.AdmitGuests {
		return nil
	}
	return answered
}

// readmit has guests let through some time later.
func (m *Manager) readmit() {
	select {
	case m.unadmitted <- struct{}{}:
	default:
	}
}

// needs is what a network's guests want of other programs' rules. They have to
// let pass what the network's own rules may.
func needs(p *plan.Plan) admit.Network {
	n := admit.Network{Bridge: p.Link(), Forwards: p.Forwards()}
	if p.DNS != nil {
		n.Services = append(n.Services, admit.Service{Proto: "udp", Port: 53}, admit.Service{Proto: "tcp", Port: 53})
	}
	if p.DHCP4 != nil {
		n.Services = append(n.Services, admit.Service{Proto: "udp", Port: 67, IPv4: true})
	}
	if p.DHCP6 != nil {
		n.Services = append(n.Services, admit.Service{Proto: "udp", Port: 547, IPv6: true})
	}
	if p.TFTP != nil {
		n.Services = append(n.Services, admit.Service{Proto: "udp", Port: 69})
	}
	return n
}

// calm is how long other programs' rules have to stay as they are: who takes
// chains away and makes them anew, step by step, must not find rules in them.
const calm = time.Second

// followOthers lets guests through again when Docker or ufw has begun, or made
// its rules anew. It returns when ctx ends.
func (m *Manager) followOthers(ctx context.Context) error {
	changed, err := m.host.OthersChanged(ctx)
	if err != nil {
		return err
	}
	var due <-chan time.Time
	for {
		select {
		case _, ok := <-changed:
			if !ok {
				return nil
			}
			due = time.After(calm)
		case <-m.unadmitted:
			due = time.After(calm)
		case <-due:
			due = nil
			m.change.Lock()
			m.admitGuests(ctx)
			m.change.Unlock()
		case <-ctx.Done():
			return nil
		}
	}
}

// warnDroppers says whose rules will drop what the network's guests send and
// get, but for those that were answered: a packet must be accepted by every
// table, and ours can't overrule.
func (m *Manager) warnDroppers(ctx context.Context, name string, p *plan.Plan, answered []string) {
	if p.NAT == nil {
		return // what passes is for others to say
	}
	droppers, err := m.host.Droppers(ctx)
	if err != nil {
		m.log.Warn("look for rules that drop packets", "network", name, "err", err)
		return
	}
	for _, d := range droppers {
		switch {
		case slices.Contains(answered, d.Chain):
		case d.Input && len(needs(p).Services) > 0:
			m.log.Warn("another program's rules drop what they do not accept; guests may not reach the host's DNS", "network", name, "chain", d.Chain)
		case !d.Input && p.Forwards():
			m.log.Warn("another program's rules drop what they do not accept; guests may not reach the outside", "network", name, "chain", d.Chain)
		}
	}
}
