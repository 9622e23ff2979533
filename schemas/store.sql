-- The ledger of cni-bridge: attachments and their addresses. Read it, but let only cni-bridge write.
-- The constraints are the lock and the proof that nothing is held twice.
-- (Comments stand outside of the statements: SQLite keeps those, and reads them at every start.)

-- One row. is_durable is 0 on tmpfs, where waiting for a disk gains nothing. is_whole is 0 until the
-- attachments that existed before this ledger are recorded: it may not be the first one.
create table if not exists ledger (
  row integer primary key check (row = 1),
  schema_version integer not null,
  is_durable integer not null,
  is_whole integer not null default 1
);

-- One attachment, written before the kernel learns of it, dropped after the kernel forgot it.
-- netns_path is what the runtime wrote, in whatever encoding; created is Unix time in milliseconds;
-- pid is that of the ADD, 0 if the record was made of what the kernel shows, and is_confirmed is 1
-- when the ADD was finished. bridge and mac are null where the container's MAC is not known.
create table if not exists holding (
  network text not null,
  container text not null,
  ifname text not null,
  host_name text not null unique,
  netns_path blob not null,
  netns_device integer not null,
  netns_inode integer not null,
  boot_id text not null,
  created integer not null,
  pid integer not null,
  is_confirmed integer not null,
  bridge text,
  mac blob,
  primary key (network, container, ifname)
) without rowid;

-- No MAC is held twice on a bridge.
create unique index if not exists holding_of_mac on holding (bridge, mac) where mac is not null;

-- One address of an attachment. Addresses are packed, 4 or 16 bytes, most significant first;
-- range_set is the index of the range set that it was taken from.
create table if not exists lease (
  network text not null,
  address blob not null check (length(address) in (4, 16)),
  prefix_length integer not null,
  gateway blob,
  range_set integer not null,
  container text not null,
  ifname text not null,
  primary key (network, address),
  foreign key (network, container, ifname) references holding on delete cascade
) without rowid;

create unique index if not exists lease_of_holding
  on lease (network, container, ifname, range_set);

-- Where the round robin stands; kept when the lease is gone, so that its address is reused late. A
-- row of range set -1 says that the kernel was asked for the network's attachments; without any row
-- it is asked, because the network's addresses may have been in another ledger.
create table if not exists last_leased (
  network text not null,
  range_set integer not null,
  address blob not null,
  primary key (network, range_set)
) without rowid;

-- An address that was freed recently, in the order of row: during its cool-down, others are preferred.
create table if not exists resting (
  row integer primary key,
  network text not null,
  address blob not null,
  freed integer not null,
  unique (network, address)
);

-- The state directory that the last ADD of a network had, if not the default one; kept in the
-- default one alone.
create table if not exists home (
  network text primary key,
  directory text not null
) without rowid;

-- One end of a wire, of which a network has at most two; what is needed to create it again.
create table if not exists wire (
  network text not null,
  container text not null,
  ifname text not null,
  mtu integer not null,
  mac blob not null,
  primary key (network, container, ifname),
  foreign key (network, container, ifname) references holding on delete cascade
) without rowid;

-- What a command has changed of a running attachment since its ADD.
create table if not exists changed (
  network text not null,
  container text not null,
  ifname text not null,
  what text not null,
  value text not null,
  primary key (network, container, ifname, what),
  foreign key (network, container, ifname) references holding on delete cascade
) without rowid;

-- A name of an attachment's container, for people and for the network's nameserver: the container's own
-- name, with its Kubernetes namespace if it has one, or an alias. Several attachments may have one name.
create table if not exists name (
  network text not null,
  container text not null,
  ifname text not null,
  name text not null,
  namespace text not null,
  is_alias integer not null,
  primary key (network, container, ifname, name),
  foreign key (network, container, ifname) references holding on delete cascade
) without rowid;

-- What a container's name had last on a network with `ipam.sticky`, of which `what` tells the kind: an
-- address, a MAC, or the host port of a container's port. Used is Unix time in milliseconds: when the
-- container was deleted; far in the future while it is there.
create table if not exists remembered (
  network text not null,
  name text not null,
  namespace text not null,
  ifname text not null,
  what text not null,
  value blob not null,
  used integer not null,
  primary key (network, name, namespace, ifname, what)
) without rowid;

-- A block of a cluster network's addresses that this host assigns, until that time in milliseconds of
-- CLOCK_BOOTTIME in that boot. The agent writes it; mtu is that towards other hosts, 0 unknown.
create table if not exists block (
  network text not null,
  address blob not null check (length(address) in (4, 16)),
  prefix_length integer not null,
  boot_id text not null,
  until integer not null,
  mtu integer not null,
  primary key (network, address)
) without rowid;

-- The firewall's half. It is kept in the default state directory alone, as host ports, bridges and
-- nftables tables are the host's, whatever directory a network keeps its addresses in.

-- One table of nftables as it was loaded, `inet` or `bridge`; generation is nftables' generation id
-- after the last run that found everything right: while it is the same, nothing has been changed.
create table if not exists ruleset (
  family integer primary key,
  boot_id text not null,
  digest text not null,
  handle integer not null,
  rules integer not null,
  generation integer not null
);

-- One foreign chain that has a rule of cni-bridge, such as `ip filter FORWARD`: written before the rule
-- exists, deleted with the last row of guarded.
create table if not exists accepting (
  chain text primary key
) without rowid;

-- One attachment that the firewall protects; created as in holding.
create table if not exists guarded (
  network text not null,
  container text not null,
  ifname text not null,
  created integer not null,
  primary key (network, container, ifname)
) without rowid;

-- One element of an nftables set or map, written before the kernel has it, deleted after the kernel
-- has not. Container and ifname are empty for elements of the whole network. The kernel has an
-- element as long as there is a row for it.
create table if not exists element (
  set_name text not null,
  key blob not null,
  key_end blob,
  data blob,
  network text not null,
  container text not null,
  ifname text not null,
  primary key (network, container, ifname, set_name, key)
) without rowid;

create index if not exists element_of_set on element (set_name, key) where data is null;

-- No host port has two holders. Protocol and port are the end of a map's key, after any host
-- address.
create unique index if not exists element_of_port
  on element (substr(key, -8), set_name, key) where data is not null;

-- Consecutive ports are one element, which each ADD compares with its own.
create index if not exists element_of_run
  on element (substr(key_end, -8)) where data is not null and key_end is not null;

-- A host port that a container publishes by several attachments, as runtimes pass all ports to each
-- network: one of them has the element, these wait until that one goes.
create table if not exists standby (
  set_name text not null,
  key blob not null,
  data blob not null,
  network text not null,
  container text not null,
  ifname text not null,
  key_end blob,
  primary key (set_name, key, network, container, ifname)
) without rowid;
