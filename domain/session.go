package domain

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/digitalocean/go-libvirt"
)

// session is one connection to libvirt. Any number of goroutines may call.
type session struct {
	virt    *libvirt.Libvirt
	link    *link
	timeout time.Duration // of one call
}

// errTimeout says that libvirt did not answer in time; the connection is
// closed then.
var errTimeout = errors.New("no answer in time")

// connect opens the driver uri by the UNIX socket at path.
func connect(ctx context.Context, path, uri string, timeout time.Duration, hear func(event)) (*session, error) {
	conn, err := (&net.Dialer{Timeout: timeout}).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	l := newLink(conn, hear)
	s := &session{virt: libvirt.NewWithDialer(dialed{l}), link: l, timeout: timeout}
	err = s.do(ctx, func() error { return s.virt.ConnectToURI(libvirt.ConnectURI(uri)) })
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("open %s: %w", uri, err)
	}
	return s, nil
}

// dialed is a dialer of go-libvirt's that has dialled already.
type dialed struct{ conn net.Conn }

// Dial returns the connection.
func (d dialed) Dial() (net.Conn, error) { return d.conn, nil }

// do makes one call. go-libvirt's can't be given up: when ctx ends or the
// time is over, the connection is closed, and the call returns.
func (s *session) do(ctx context.Context, call func() error) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { s.link.Close() })
	defer stop()
	err := call()
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errTimeout
	}
	return err
}

// get is do for a call that returns something.
func get[T any](ctx context.Context, s *session, call func() (T, error)) (result T, err error) {
	err = s.do(ctx, func() (err error) {
		result, err = call()
		return err
	})
	return result, err
}

// close ends the connection without a good-bye: libvirt needs none.
func (s *session) close() { s.link.Close() }

// hasCode reports whether err is libvirt's error of that number.
func hasCode(err error, code libvirt.ErrorNumber) bool {
	var remote libvirt.Error
	return errors.As(err, &remote) && remote.Code == uint32(code)
}

// subscribe asks for the events that are followed: life of domains and
// networks, interfaces that come and go.
func (s *session) subscribe(ctx context.Context) error {
	for _, id := range []libvirt.DomainEventID{
		libvirt.DomainEventIDLifecycle, libvirt.DomainEventIDDeviceAdded, libvirt.DomainEventIDDeviceRemoved,
	} {
		_, err := get(ctx, s, func() (int32, error) { return s.virt.ConnectDomainEventCallbackRegisterAny(int32(id), nil) })
		if err != nil {
			return fmt.Errorf("subscribe to domain events: %w", err)
		}
	}
	_, err := get(ctx, s, func() (int32, error) {
		return s.virt.ConnectNetworkEventRegisterAny(int32(libvirt.NetworkEventIDLifecycle), nil)
	})
	if err != nil && !hasCode(err, libvirt.ErrNoSupport) {
		return fmt.Errorf("subscribe to network events: %w", err)
	}
	return nil
}

func (s *session) activeDomains(ctx context.Context) ([]libvirt.Domain, error) {
	return get(ctx, s, func() ([]libvirt.Domain, error) {
		all, _, err := s.virt.ConnectListAllDomains(1, libvirt.ConnectListDomainsActive)
		return all, err
	})
}

// state returns a domain's state and why it is in it.
func (s *session) state(ctx context.Context, d libvirt.Domain) (libvirt.DomainState, libvirt.DomainPausedReason, error) {
	var reason int32
	state, err := get(ctx, s, func() (state int32, err error) {
		state, reason, err = s.virt.DomainGetState(d, 0)
		return state, err
	})
	return libvirt.DomainState(state), libvirt.DomainPausedReason(reason), err
}

// domainXML returns the live definition of a domain. That of an inactive one
// names no links.
func (s *session) domainXML(ctx context.Context, d libvirt.Domain) (string, error) {
	return get(ctx, s, func() (string, error) { return s.virt.DomainGetXMLDesc(d, 0) })
}

func (s *session) networks(ctx context.Context, flags libvirt.ConnectListAllNetworksFlags) ([]libvirt.Network, error) {
	return get(ctx, s, func() ([]libvirt.Network, error) {
		all, _, err := s.virt.ConnectListAllNetworks(1, flags)
		return all, err
	})
}

// networkXML returns what is on disk, or of a transient network what is in
// force.
func (s *session) networkXML(ctx context.Context, n libvirt.Network) (string, error) {
	return get(ctx, s, func() (string, error) {
		return s.virt.NetworkGetXMLDesc(n, uint32(libvirt.NetworkXMLInactive))
	})
}
