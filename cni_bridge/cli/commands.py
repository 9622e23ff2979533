"""The commands for people: their modules, loaded when they are needed, and one line about each."""

ASK = "__complete"  # what completion scripts run, with the words so far; the last is unfinished
COMMANDS = {  # name: module below cni_bridge.cli with a `register` function, summary
    "init": ("init", "write a network config on a free subnet"),
    "validate": (
        "validate.command",
        "check network configs; report every mistake with line and column",
    ),
    "show": ("show", "list networks, bridges and containers: addresses, traffic, health"),
    "graph": ("graph.command", "draw namespaces, veth pairs and bridges"),
    "doctor": ("doctor.command", "find what is wrong with this host's networks, and fix it"),
    "explain": ("explain.command", "follow a connection and name the hop that drops it"),
    "trace": ("trace", "list calls of runtimes: outcome, and how long each step took"),
    "add": ("add", "attach a namespace or container to a network"),
    "del": ("delete", "detach a namespace or container from a network"),
    "check": ("check", "check an attachment that `add` made"),
    "exec": ("exec", "run a command or a shell in a container's network"),
    "rm": ("rm", "remove a network: its config, and its bridge if unused"),
    "plan": ("plan.command", "show what an ADD would do, step by step (dry run)"),
    "publish": ("publish", "publish ports of a running container"),
    "unpublish": ("unpublish", "unpublish ports of a running container"),
    "limit": ("limit", "change the bandwidth of a running container"),
    "connect": ("connect", "attach a running container to one more network"),
    "disconnect": ("disconnect", "detach a running container from a network"),
    "isolate": ("isolate", "cut a running container off from all other containers"),
    "join": ("join", "connect an isolated container to the others again"),
    "lab": ("lab.command", "build throwaway networks to experiment with; nothing is left behind"),
    "gc": ("gc", "free the addresses of containers that are provably gone"),
    "restore": ("restore", "reload the firewall, or rebuild a lost ledger from kernel state"),
    "adopt": ("adopt", "list host-local's reservations and whether they are honoured"),
    "agent": ("agent", "keep this host a member of a cluster network (a service)"),
    "completion": ("completion", "print a completion script for bash, zsh and fish"),
}
