// Command cnidriver is a container runtime without containers: it calls CNI
// plugins through libcni, the reference runtime library, for the tests in e2e.
// It is a module of its own, so that the library is no dependency of vnetmgr.
//
//	cnidriver COMMAND CONFLIST CONTAINER NETNS [IFNAME]
//
// COMMAND is add, check, del, gc or status; plugins are looked for in CNI_PATH,
// results of add are cached in CNI_CACHE. NAME=VALUE pairs for plugins come from
// CNI_ARGS, capability arguments as JSON from CAP_ARGS. gc keeps the one
// container that is named, and none for the name "none".
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/types"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		var refusal *types.Error
		if errors.As(err, &refusal) {
			fmt.Fprintf(os.Stderr, "code %d: ", refusal.Code)
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, words []string) error {
	if len(words) < 4 {
		return errors.New("usage: cnidriver COMMAND CONFLIST CONTAINER NETNS [IFNAME]")
	}
	list, err := libcni.ConfListFromFile(words[1])
	if err != nil {
		return err
	}
	rt, err := runtimeConf(words[2:])
	if err != nil {
		return err
	}
	cni := libcni.NewCNIConfigWithCacheDir(filepath.SplitList(os.Getenv("CNI_PATH")), os.Getenv("CNI_CACHE"), nil)
	switch words[0] {
	case "add":
		return add(ctx, cni, list, rt)
	case "check":
		return cni.CheckNetworkList(ctx, list, rt)
	case "del":
		return cni.DelNetworkList(ctx, list, rt)
	case "status":
		return cni.GetStatusNetworkList(ctx, list)
	case "gc":
		return cni.GCNetworkList(ctx, list, keep(rt))
	}
	return fmt.Errorf("no command %q", words[0])
}

func add(ctx context.Context, cni *libcni.CNIConfig, list *libcni.NetworkConfigList, rt *libcni.RuntimeConf) error {
	result, err := cni.AddNetworkList(ctx, list, rt)
	if err != nil {
		return err
	}
	// In the version of the list, as a runtime reads it.
	result, err = result.GetAsVersion(list.CNIVersion)
	if err != nil {
		return err
	}
	return result.Print()
}

func runtimeConf(words []string) (*libcni.RuntimeConf, error) {
	rt := &libcni.RuntimeConf{ContainerID: words[0], NetNS: words[1], IfName: "eth0"}
	if len(words) > 2 {
		rt.IfName = words[2]
	}
	for pair := range strings.SplitSeq(os.Getenv("CNI_ARGS"), ";") {
		if name, value, ok := strings.Cut(pair, "="); ok {
			rt.Args = append(rt.Args, [2]string{name, value})
		}
	}
	if text := os.Getenv("CAP_ARGS"); text != "" {
		if err := json.Unmarshal([]byte(text), &rt.CapabilityArgs); err != nil {
			return nil, err
		}
	}
	return rt, nil
}

func keep(rt *libcni.RuntimeConf) *libcni.GCArgs {
	if rt.ContainerID == "none" {
		return &libcni.GCArgs{}
	}
	return &libcni.GCArgs{ValidAttachments: []types.GCAttachment{{ContainerID: rt.ContainerID, IfName: rt.IfName}}}
}
