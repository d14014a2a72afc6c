package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	_ "net/http/pprof"
	"net/netip"
	"os"
	"time"

	"github.com/vnetmgr/vnetmgr/dns"
)

func main() {
	go http.ListenAndServe("127.0.0.1:6061", nil)
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	up := dns.NewResolver(log, dns.ResolverConfig{Hosts: "/etc/hosts"})
	cfg := dns.Config{Link: "lo", Domain: "test.lan", Forwarders: []netip.AddrPort{netip.MustParseAddrPort(os.Args[2])}}
	s := dns.NewServer(log, cfg, up)
	var names []dns.Name
	for i := 1; i < 250; i++ {
		names = append(names, dns.Name{Addr: netip.AddrFrom4([4]byte{192, 168, 122, byte(i)}), Names: []string{fmt.Sprintf("vm%d", i)}})
	}
	s.SetRecords(dns.NewRecords(cfg, names))
	var lc net.ListenConfig
	c, err := lc.ListenPacket(context.Background(), "udp", os.Args[1])
	if err != nil {
		panic(err)
	}
	l, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 120*time.Second)
	defer cancel()
	go s.ServeTCP(ctx, l)
	fmt.Println(s.Serve(ctx, c))
}
