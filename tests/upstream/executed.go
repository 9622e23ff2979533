// Stands in for the commands of a reference plugin inside its own test suite: each executes the plugin
// under test, in the network namespace of the calling thread. Copied beside the suite's files.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
)

func cmdAdd(args *skel.CmdArgs) error    { return execute("ADD", args) }
func cmdDel(args *skel.CmdArgs) error    { return execute("DEL", args) }
func cmdCheck(args *skel.CmdArgs) error  { return execute("CHECK", args) }
func cmdStatus(args *skel.CmdArgs) error { return execute("STATUS", args) }
func cmdGC(args *skel.CmdArgs) error     { return execute("GC", args) }

// execute runs $CNI_UPSTREAM_PLUGIN; its result goes to stdout, where the suite expects it.
func execute(command string, args *skel.CmdArgs) error {
	plugin := os.Getenv("CNI_UPSTREAM_PLUGIN")
	path := args.Path
	if path == "" {
		path = filepath.Dir(plugin)
	}
	var stdout, stderr bytes.Buffer
	child := exec.Command(plugin)
	child.Stdin = bytes.NewReader(withIPv6(args.StdinData))
	child.Stdout = &stdout
	child.Stderr = &stderr
	child.Env = append(
		withoutCNI(os.Environ()),
		"CNI_COMMAND="+command,
		"CNI_CONTAINERID="+args.ContainerID,
		"CNI_NETNS="+args.Netns,
		"CNI_IFNAME="+args.IfName,
		"CNI_ARGS="+args.Args,
		"CNI_PATH="+path,
		"CNI_NETNS_OVERRIDE=1",
	)
	if err := child.Run(); err != nil {
		refusal := &types.Error{}
		if json.Unmarshal(stdout.Bytes(), refusal) != nil || refusal.Msg == "" {
			return fmt.Errorf("%v: stdout %q, stderr %q", err, stdout.String(), stderr.String())
		}
		return errors.New(refusal.Msg) // the details are not the reference's, and suites compare whole texts
	}
	_, err := os.Stdout.Write(stdout.Bytes())
	return err
}

// withIPv6 keeps IPv6 on in containers without an IPv6 address: specs look for link-local addresses, and
// docs/internals/compatibility.md says why cni-bridge turns it off (ipv6-off).
func withIPv6(stdin []byte) []byte {
	config := map[string]json.RawMessage{}
	if json.Unmarshal(stdin, &config) != nil {
		return stdin
	}
	config["ipv6LinkLocal"] = json.RawMessage("true")
	changed, err := json.Marshal(config)
	if err != nil {
		return stdin
	}
	return changed
}

func withoutCNI(variables []string) []string {
	kept := []string{}
	for _, variable := range variables {
		if !strings.HasPrefix(variable, "CNI_") {
			kept = append(kept, variable)
		}
	}
	return kept
}
