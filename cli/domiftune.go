package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/digitalocean/go-libvirt"
)

// rate is one direction of a bandwidth as options give it: average, peak,
// burst and floor, in KiB/s and KiB; 0 is not given.
type rate struct {
	given                       bool
	average, peak, burst, floor uint32
}

// parseRate reads average[,peak[,burst[,floor]]].
func parseRate(text string) (rate, error) {
	fields := strings.Split(text, ",")
	if len(fields) > 4 {
		return rate{}, worded(fmt.Sprintf("Rate string '%s' has too many fields", text))
	}
	r := rate{given: true}
	for i, to := range []*uint32{&r.average, &r.peak, &r.burst, &r.floor}[:len(fields)] {
		if fields[i] == "" {
			continue
		}
		n, err := strconv.ParseUint(fields[i], 10, 32)
		if err != nil {
			return rate{}, worded(fmt.Sprintf("malformed %s field in rate string '%s'", []string{"average", "peak", "burst", "floor"}[i], text))
		}
		*to = uint32(n)
	}
	return r, nil
}

// rates reads --inbound and --outbound.
func rates(in invocation) (inbound, outbound rate, err error) {
	if in.has("inbound") {
		if inbound, err = parseRate(in.values["inbound"]); err != nil {
			return inbound, outbound, err
		}
		if inbound.average == 0 && (inbound.burst != 0 || inbound.peak != 0 || in.cmd.name == "attach-interface" && inbound.floor == 0) {
			return inbound, outbound, worded("either inbound average or floor is mandatory")
		}
	}
	if in.has("outbound") {
		if outbound, err = parseRate(in.values["outbound"]); err != nil {
			return inbound, outbound, err
		}
		if outbound.average == 0 && (outbound.burst != 0 || outbound.peak != 0 || in.cmd.name == "attach-interface") {
			return inbound, outbound, worded("outbound average is mandatory")
		}
		if outbound.floor != 0 {
			return inbound, outbound, worded("outbound floor is unsupported yet")
		}
	}
	return inbound, outbound, nil
}

// write writes the direction's element, nothing if it was not given.
func (r rate) write(w *strings.Builder, name string) {
	if !r.given {
		return
	}
	fmt.Fprintf(w, "    <%s", name)
	for _, a := range []struct {
		name  string
		value uint32
	}{{"average", r.average}, {"peak", r.peak}, {"burst", r.burst}, {"floor", r.floor}} {
		if a.value != 0 {
			fmt.Fprintf(w, " %s='%d'", a.name, a.value)
		}
	}
	w.WriteString("/>\n")
}

// params are the parameters that set the direction, as virsh sends them.
func (r rate) params(name string) []libvirt.TypedParam {
	if !r.given {
		return nil
	}
	all := []libvirt.TypedParam{{Field: name + ".average", Value: *libvirt.NewTypedParamValueUint(r.average)}}
	for _, p := range []struct {
		name  string
		value uint32
	}{{"peak", r.peak}, {"burst", r.burst}, {"floor", r.floor}} {
		if p.value != 0 {
			all = append(all, libvirt.TypedParam{Field: name + "." + p.name, Value: *libvirt.NewTypedParamValueUint(p.value)})
		}
	}
	return all
}

// domIfTune runs domiftune: it sets what the options say, or shows what is
// set.
func domIfTune(ctx context.Context, sh *shell, in invocation) error {
	if err := exclusive(in); err != nil {
		return err
	}
	d, err := sh.domain(ctx, in)
	if err != nil {
		return err
	}
	device, err := in.text("interface")
	if err != nil {
		return err
	}
	inbound, outbound, err := rates(in)
	if err != nil {
		return err
	}
	flags, err := d.affected(ctx, in)
	if err != nil {
		return err
	}
	if !inbound.given && !outbound.given {
		return sh.showTune(ctx, d, device, flags)
	}
	err = d.s.change(ctx, "virDomainSetInterfaceParameters", func() error {
		return d.s.virt.DomainSetInterfaceParameters(d.Domain, device, append(inbound.params("inbound"), outbound.params("outbound")...), flags)
	})
	if err != nil {
		return fail(err, "Unable to set interface parameters")
	}
	return nil
}

// showTune asks how many parameters there are, then for their values.
func (sh *shell) showTune(ctx context.Context, d onDomain, device string, flags uint32) error {
	var params []libvirt.TypedParam
	err := d.s.do(ctx, "virDomainGetInterfaceParameters", func() error {
		_, n, err := d.s.virt.DomainGetInterfaceParameters(d.Domain, device, 0, libvirt.DomainModificationImpact(flags))
		if err != nil || n == 0 {
			return err
		}
		params, _, err = d.s.virt.DomainGetInterfaceParameters(d.Domain, device, n, libvirt.DomainModificationImpact(flags))
		return err
	})
	if err != nil {
		return fail(err, "Unable to get interface parameters")
	}
	for _, p := range params {
		sh.printf("%-15s: %v\n", p.Field, p.Value.I)
	}
	return nil
}
