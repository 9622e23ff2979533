"""Generated from schemas/network.schema.json by build/generate_validators.py: the compiled schema.

Not to be edited by hand. Nothing here explains: `cni_bridge.edge.explain` does, from the schema.
"""

# mypy: ignore-errors

TYPE_CHECKING = False

if TYPE_CHECKING:
    from cni_bridge.edge.codec import Fold, Object


NoneType = type(None)


class Refused(Exception):
    """The schema refuses the config."""


FOLD: "Fold" = \
{'allmulti': ('allmulti', None),
 'args': ('args',
          {'cni': ('cni',
                   {'aliases': ('aliases', None),
                    'allmulti': ('allmulti', None),
                    'ips': ('ips', None),
                    'labels': ('labels', {'key': ('key', None), 'value': ('value', None)}),
                    'mac': ('mac', None),
                    'mtu': ('mtu', None),
                    'promisc': ('promisc', None),
                    'sysctl': ('sysctl', None),
                    'txqlen': ('txQLen', None)})}),
 'bridge': ('bridge', None),
 'capabilities': ('capabilities', None),
 'closed': ('closed', None),
 'cluster': ('cluster',
             {'backend': ('backend', None),
              'blocksize': ('blockSize', None),
              'blocksize6': ('blockSize6', None),
              'cafile': ('caFile', None),
              'certfile': ('certFile', None),
              'endpoints': ('endpoints', None),
              'grace': ('grace', None),
              'keyfile': ('keyFile', None),
              'kubeconfig': ('kubeconfig', None),
              'lowwater': ('lowWater', None),
              'network': ('network', None),
              'network6': ('network6', None),
              'node': ('node', None),
              'passwordfile': ('passwordFile', None),
              'prefix': ('prefix', None),
              'ranges': ('ranges', None),
              'store': ('store', None),
              'ttl': ('ttl', None),
              'username': ('username', None),
              'vni': ('vni', None),
              'vxlanport': ('vxlanPort', None)}),
 'cni.dev/attachments': ('cni.dev/attachments',
                         {'containerid': ('containerID', None), 'ifname': ('ifname', None)}),
 'cni.dev/valid-attachments': ('cni.dev/valid-attachments',
                               {'containerid': ('containerID', None), 'ifname': ('ifname', None)}),
 'cniversion': ('cniVersion', None),
 'cniversions': ('cniVersions', None),
 'conditionsv4': ('conditionsV4', None),
 'conditionsv6': ('conditionsV6', None),
 'disablecheck': ('disableCheck', None),
 'disablecontainerinterface': ('disableContainerInterface', None),
 'disablegc': ('disableGC', None),
 'dns': ('dns',
         {'domain': ('domain', None),
          'nameservers': ('nameservers', None),
          'options': ('options', None),
          'search': ('search', None)}),
 'egressburst': ('egressBurst', None),
 'egressrate': ('egressRate', None),
 'enabledad': ('enabledad', None),
 'externalsetmarkchain': ('externalSetMarkChain', None),
 'forceaddress': ('forceAddress', None),
 'hairpinmode': ('hairpinMode', None),
 'hostaccess': ('hostAccess', None),
 'icc': ('icc', None),
 'ingressburst': ('ingressBurst', None),
 'ingressrate': ('ingressRate', None),
 'internal': ('internal', None),
 'ipam': ('ipam',
          {'datadir': ('dataDir', None),
           'gateway': ('gateway', None),
           'rangeend': ('rangeEnd', None),
           'ranges': ('ranges',
                      {'gateway': ('gateway', None),
                       'rangeend': ('rangeEnd', None),
                       'rangestart': ('rangeStart', None),
                       'subnet': ('subnet', None)}),
           'rangestart': ('rangeStart', None),
           'resolvconf': ('resolvConf', None),
           'routes': ('routes',
                      {'advmss': ('advmss', None),
                       'dst': ('dst', None),
                       'gw': ('gw', None),
                       'mtu': ('mtu', None),
                       'priority': ('priority', None),
                       'scope': ('scope', None),
                       'table': ('table', None)}),
           'sticky': ('sticky', None),
           'subnet': ('subnet', None),
           'type': ('type', None)}),
 'ipmasq': ('ipMasq', None),
 'ipmasqbackend': ('ipMasqBackend', None),
 'ipspoofchk': ('ipspoofchk', None),
 'ipv6linklocal': ('ipv6LinkLocal', None),
 'isdefaultgateway': ('isDefaultGateway', None),
 'isgateway': ('isGateway', None),
 'isolation': ('isolation', None),
 'loadonlyinlinedplugins': ('loadOnlyInlinedPlugins', None),
 'mac': ('mac', None),
 'macspoofchk': ('macspoofchk', None),
 'markmasqbit': ('markMasqBit', None),
 'masqall': ('masqAll', None),
 'mode': ('mode', None),
 'mtu': ('mtu', None),
 'name': ('name', None),
 'nameserver': ('nameserver', {'domain': ('domain', None), 'upstream': ('upstream', None)}),
 'portisolation': ('portIsolation', None),
 'preservedefaultvlan': ('preserveDefaultVlan', None),
 'prevresult': ('prevResult',
                {'dns': ('dns',
                         {'domain': ('domain', None),
                          'nameservers': ('nameservers', None),
                          'options': ('options', None),
                          'search': ('search', None)}),
                 'interfaces': ('interfaces',
                                {'mac': ('mac', None),
                                 'name': ('name', None),
                                 'sandbox': ('sandbox', None)}),
                 'ip4': ('ip4',
                         {'gateway': ('gateway', None),
                          'ip': ('ip', None),
                          'routes': ('routes',
                                     {'advmss': ('advmss', None),
                                      'dst': ('dst', None),
                                      'gw': ('gw', None),
                                      'mtu': ('mtu', None),
                                      'priority': ('priority', None),
                                      'scope': ('scope', None),
                                      'table': ('table', None)})}),
                 'ip6': ('ip6',
                         {'gateway': ('gateway', None),
                          'ip': ('ip', None),
                          'routes': ('routes',
                                     {'advmss': ('advmss', None),
                                      'dst': ('dst', None),
                                      'gw': ('gw', None),
                                      'mtu': ('mtu', None),
                                      'priority': ('priority', None),
                                      'scope': ('scope', None),
                                      'table': ('table', None)})}),
                 'ips': ('ips',
                         {'address': ('address', None),
                          'gateway': ('gateway', None),
                          'interface': ('interface', None)}),
                 'routes': ('routes',
                            {'advmss': ('advmss', None),
                             'dst': ('dst', None),
                             'gw': ('gw', None),
                             'mtu': ('mtu', None),
                             'priority': ('priority', None),
                             'scope': ('scope', None),
                             'table': ('table', None)})}),
 'promisc': ('promisc', None),
 'promiscmode': ('promiscMode', None),
 'runtimeconfig': ('runtimeConfig',
                   {'aliases': ('aliases', None),
                    'bandwidth': ('bandwidth',
                                  {'egressburst': ('egressBurst', None),
                                   'egressrate': ('egressRate', None),
                                   'ingressburst': ('ingressBurst', None),
                                   'ingressrate': ('ingressRate', None)}),
                    'cgrouppath': ('cgroupPath', None),
                    'deviceid': ('deviceID', None),
                    'dns': ('dns',
                            {'options': ('options', None),
                             'searches': ('searches', None),
                             'servers': ('servers', None)}),
                    'infinibandguid': ('infinibandGUID', None),
                    'ipranges': ('ipRanges',
                                 {'gateway': ('gateway', None),
                                  'rangeend': ('rangeEnd', None),
                                  'rangestart': ('rangeStart', None),
                                  'subnet': ('subnet', None)}),
                    'ips': ('ips', None),
                    'mac': ('mac', None),
                    'portmappings': ('portMappings',
                                     {'containerport': ('containerPort', None),
                                      'hostip': ('hostIP', None),
                                      'hostport': ('hostPort', None),
                                      'protocol': ('protocol', None),
                                      'range': ('range', None)})}),
 'snat': ('snat', None),
 'sysctl': ('sysctl', None),
 'txqlen': ('txQLen', None),
 'type': ('type', None),
 'vlan': ('vlan', None),
 'vlantrunk': ('vlanTrunk',
               {'id': ('id', None), 'maxid': ('maxID', None), 'minid': ('minID', None)})}


def validate(data: "Object") -> "Object":
    """Fill in every default, in place. Raises Refused."""
    return _validate(data)


def _validate(data):
    if not isinstance(data, dict):
        raise Refused
    if 'name' not in data:
        raise Refused
    if 'cniVersion' in data:
        data__cniVersion = data['cniVersion']
        if not isinstance(data__cniVersion, str):
            raise Refused
    else:
        data['cniVersion'] = '0.1.0'
    if 'cniVersions' in data:
        data__cniVersions = data['cniVersions']
        if not isinstance(data__cniVersions, (list, tuple)):
            raise Refused
        for data__cniVersions_item in data__cniVersions:
            if not isinstance(data__cniVersions_item, str):
                raise Refused
    else:
        data['cniVersions'] = []
    if 'name' in data:
        data__name = data['name']
        if not isinstance(data__name, str):
            raise Refused
        data__name_len = len(data__name)
        if data__name_len < 1:
            raise Refused
        if data__name_len > 255:
            raise Refused
    if 'type' in data:
        data__type = data['type']
        if not isinstance(data__type, str):
            raise Refused
    else:
        data['type'] = 'cni-bridge'
    if 'disableCheck' in data:
        data__disableCheck = data['disableCheck']
        if not isinstance(data__disableCheck, (bool, str)):
            raise Refused
    else:
        data['disableCheck'] = False
    if 'disableGC' in data:
        data__disableGC = data['disableGC']
        if not isinstance(data__disableGC, (bool, str)):
            raise Refused
    else:
        data['disableGC'] = False
    if 'loadOnlyInlinedPlugins' in data:
        data__loadOnlyInlinedPlugins = data['loadOnlyInlinedPlugins']
        if not isinstance(data__loadOnlyInlinedPlugins, (bool, str)):
            raise Refused
    else:
        data['loadOnlyInlinedPlugins'] = False
    if 'capabilities' in data:
        data__capabilities = data['capabilities']
        if not isinstance(data__capabilities, dict):
            raise Refused
        for data__capabilities_key in data__capabilities:
            if data__capabilities_key not in []:
                data__capabilities_value = data__capabilities.get(data__capabilities_key)
                if not isinstance(data__capabilities_value, (bool, NoneType)):
                    raise Refused
    else:
        data['capabilities'] = {}
    if 'bridge' in data:
        data__bridge = data['bridge']
        if not isinstance(data__bridge, str):
            raise Refused
        data__bridge_len = len(data__bridge)
        if data__bridge_len < 1:
            raise Refused
        if data__bridge_len > 15:
            raise Refused
    else:
        data['bridge'] = 'cni0'
    if 'mode' in data:
        data__mode = data['mode']
        if not isinstance(data__mode, str):
            raise Refused
        if not (isinstance(data__mode, str) and data__mode == '' or (isinstance(data__mode, str) and data__mode == 'bridge') or (isinstance(data__mode, str) and data__mode == 'wire')):
            raise Refused
    else:
        data['mode'] = 'bridge'
    if 'isGateway' in data:
        data__isGateway = data['isGateway']
        if not isinstance(data__isGateway, bool):
            raise Refused
    else:
        data['isGateway'] = False
    if 'isDefaultGateway' in data:
        data__isDefaultGateway = data['isDefaultGateway']
        if not isinstance(data__isDefaultGateway, bool):
            raise Refused
    else:
        data['isDefaultGateway'] = False
    if 'forceAddress' in data:
        data__forceAddress = data['forceAddress']
        if not isinstance(data__forceAddress, bool):
            raise Refused
    else:
        data['forceAddress'] = False
    if 'ipMasq' in data:
        data__ipMasq = data['ipMasq']
        if not isinstance(data__ipMasq, bool):
            raise Refused
    else:
        data['ipMasq'] = False
    if 'ipMasqBackend' in data:
        data__ipMasqBackend = data['ipMasqBackend']
        if not isinstance(data__ipMasqBackend, str):
            raise Refused
        if not (isinstance(data__ipMasqBackend, str) and data__ipMasqBackend == '' or (isinstance(data__ipMasqBackend, str) and data__ipMasqBackend == 'iptables') or (isinstance(data__ipMasqBackend, str) and data__ipMasqBackend == 'nftables')):
            raise Refused
    else:
        data['ipMasqBackend'] = ''
    if 'mtu' in data:
        data__mtu = data['mtu']
        if not isinstance(data__mtu, int) or isinstance(data__mtu, bool):
            raise Refused
        if data__mtu < 0:
            raise Refused
        if data__mtu > 65535:
            raise Refused
    else:
        data['mtu'] = 0
    if 'hairpinMode' in data:
        data__hairpinMode = data['hairpinMode']
        if not isinstance(data__hairpinMode, bool):
            raise Refused
    else:
        data['hairpinMode'] = False
    if 'promiscMode' in data:
        data__promiscMode = data['promiscMode']
        if not isinstance(data__promiscMode, bool):
            raise Refused
    else:
        data['promiscMode'] = False
    if 'vlan' in data:
        data__vlan = data['vlan']
        if not isinstance(data__vlan, int) or isinstance(data__vlan, bool):
            raise Refused
        if data__vlan < 0:
            raise Refused
        if data__vlan > 4094:
            raise Refused
    else:
        data['vlan'] = 0
    if 'vlanTrunk' in data:
        data__vlanTrunk = data['vlanTrunk']
        if not isinstance(data__vlanTrunk, (list, tuple)):
            raise Refused
        for data__vlanTrunk_item in data__vlanTrunk:
            if not isinstance(data__vlanTrunk_item, dict):
                raise Refused
            if 'minID' in data__vlanTrunk_item:
                if 'maxID' not in data__vlanTrunk_item:
                    raise Refused
            if 'maxID' in data__vlanTrunk_item:
                if 'minID' not in data__vlanTrunk_item:
                    raise Refused
            if 'id' in data__vlanTrunk_item:
                data__vlanTrunk_item__id = data__vlanTrunk_item['id']
                _validate___definitions_vlan(data__vlanTrunk_item__id)
            if 'minID' in data__vlanTrunk_item:
                data__vlanTrunk_item__minID = data__vlanTrunk_item['minID']
                _validate___definitions_vlan(data__vlanTrunk_item__minID)
            if 'maxID' in data__vlanTrunk_item:
                data__vlanTrunk_item__maxID = data__vlanTrunk_item['maxID']
                _validate___definitions_vlan(data__vlanTrunk_item__maxID)
    else:
        data['vlanTrunk'] = []
    if 'preserveDefaultVlan' in data:
        data__preserveDefaultVlan = data['preserveDefaultVlan']
        if not isinstance(data__preserveDefaultVlan, bool):
            raise Refused
    else:
        data['preserveDefaultVlan'] = False
    if 'macspoofchk' in data:
        data__macspoofchk = data['macspoofchk']
        if not isinstance(data__macspoofchk, bool):
            raise Refused
    else:
        data['macspoofchk'] = False
    if 'ipspoofchk' in data:
        data__ipspoofchk = data['ipspoofchk']
        if not isinstance(data__ipspoofchk, bool):
            raise Refused
    else:
        data['ipspoofchk'] = False
    if 'isolation' in data:
        data__isolation = data['isolation']
        if not isinstance(data__isolation, str):
            raise Refused
        if not (isinstance(data__isolation, str) and data__isolation == '' or (isinstance(data__isolation, str) and data__isolation == 'off') or (isinstance(data__isolation, str) and data__isolation == 'on') or (isinstance(data__isolation, str) and data__isolation == 'strict')):
            raise Refused
    else:
        data['isolation'] = 'off'
    if 'internal' in data:
        data__internal = data['internal']
        if not isinstance(data__internal, bool):
            raise Refused
    else:
        data['internal'] = False
    if 'hostAccess' in data:
        data__hostAccess = data['hostAccess']
        if not isinstance(data__hostAccess, str):
            raise Refused
        if not (isinstance(data__hostAccess, str) and data__hostAccess == '' or (isinstance(data__hostAccess, str) and data__hostAccess == 'all') or (isinstance(data__hostAccess, str) and data__hostAccess == 'gateway') or (isinstance(data__hostAccess, str) and data__hostAccess == 'none')):
            raise Refused
    else:
        data['hostAccess'] = ''
    if 'icc' in data:
        data__icc = data['icc']
        if not isinstance(data__icc, bool):
            raise Refused
    else:
        data['icc'] = True
    if 'closed' in data:
        data__closed = data['closed']
        if not isinstance(data__closed, bool):
            raise Refused
    else:
        data['closed'] = False
    if 'nameserver' in data:
        data__nameserver = data['nameserver']
        if not isinstance(data__nameserver, (bool, dict)):
            raise Refused
        if isinstance(data__nameserver, dict):
            if 'domain' in data__nameserver:
                data__nameserver__domain = data__nameserver['domain']
                if not isinstance(data__nameserver__domain, str):
                    raise Refused
                data__nameserver__domain_len = len(data__nameserver__domain)
                if data__nameserver__domain_len < 1:
                    raise Refused
                if data__nameserver__domain_len > 253:
                    raise Refused
            else:
                data__nameserver['domain'] = 'cni.internal'
            if 'upstream' in data__nameserver:
                data__nameserver__upstream = data__nameserver['upstream']
                _validate___definitions_texts(data__nameserver__upstream)
    else:
        data['nameserver'] = False
    if 'snat' in data:
        data__snat = data['snat']
        if not isinstance(data__snat, bool):
            raise Refused
    else:
        data['snat'] = True
    if 'masqAll' in data:
        data__masqAll = data['masqAll']
        if not isinstance(data__masqAll, bool):
            raise Refused
    else:
        data['masqAll'] = False
    if 'markMasqBit' in data:
        data__markMasqBit = data['markMasqBit']
        if not isinstance(data__markMasqBit, int) or isinstance(data__markMasqBit, bool):
            raise Refused
        if data__markMasqBit < 0:
            raise Refused
        if data__markMasqBit > 31:
            raise Refused
    else:
        data['markMasqBit'] = 13
    if 'externalSetMarkChain' in data:
        data__externalSetMarkChain = data['externalSetMarkChain']
        if not isinstance(data__externalSetMarkChain, str):
            raise Refused
    else:
        data['externalSetMarkChain'] = ''
    if 'conditionsV4' in data:
        data__conditionsV4 = data['conditionsV4']
        _validate___definitions_texts(data__conditionsV4)
    else:
        data['conditionsV4'] = []
    if 'conditionsV6' in data:
        data__conditionsV6 = data['conditionsV6']
        _validate___definitions_texts(data__conditionsV6)
    else:
        data['conditionsV6'] = []
    if 'enabledad' in data:
        data__enabledad = data['enabledad']
        if not isinstance(data__enabledad, bool):
            raise Refused
    else:
        data['enabledad'] = False
    if 'ipv6LinkLocal' in data:
        data__ipv6LinkLocal = data['ipv6LinkLocal']
        if not isinstance(data__ipv6LinkLocal, bool):
            raise Refused
    else:
        data['ipv6LinkLocal'] = False
    if 'disableContainerInterface' in data:
        data__disableContainerInterface = data['disableContainerInterface']
        if not isinstance(data__disableContainerInterface, bool):
            raise Refused
    else:
        data['disableContainerInterface'] = False
    if 'portIsolation' in data:
        data__portIsolation = data['portIsolation']
        if not isinstance(data__portIsolation, bool):
            raise Refused
    else:
        data['portIsolation'] = False
    if 'mac' in data:
        data__mac = data['mac']
        if not isinstance(data__mac, str):
            raise Refused
    else:
        data['mac'] = ''
    if 'sysctl' in data:
        data__sysctl = data['sysctl']
        if not isinstance(data__sysctl, dict):
            raise Refused
        for data__sysctl_key in data__sysctl:
            if data__sysctl_key not in []:
                data__sysctl_value = data__sysctl.get(data__sysctl_key)
                if not isinstance(data__sysctl_value, (str, NoneType)):
                    raise Refused
    if 'promisc' in data:
        data__promisc = data['promisc']
        if not isinstance(data__promisc, bool):
            raise Refused
    if 'allmulti' in data:
        data__allmulti = data['allmulti']
        if not isinstance(data__allmulti, bool):
            raise Refused
    if 'txQLen' in data:
        data__txQLen = data['txQLen']
        if not isinstance(data__txQLen, int) or isinstance(data__txQLen, bool):
            raise Refused
        if data__txQLen < 0:
            raise Refused
        if data__txQLen > 2147483647:
            raise Refused
    if 'ingressRate' in data:
        data__ingressRate = data['ingressRate']
        _validate___definitions_bits(data__ingressRate)
    if 'ingressBurst' in data:
        data__ingressBurst = data['ingressBurst']
        _validate___definitions_bits(data__ingressBurst)
    if 'egressRate' in data:
        data__egressRate = data['egressRate']
        _validate___definitions_bits(data__egressRate)
    if 'egressBurst' in data:
        data__egressBurst = data['egressBurst']
        _validate___definitions_bits(data__egressBurst)
    if 'ipam' in data:
        data__ipam = data['ipam']
        if not isinstance(data__ipam, dict):
            raise Refused
        if 'type' in data__ipam:
            data__ipam__type = data__ipam['type']
            if not isinstance(data__ipam__type, str):
                raise Refused
        else:
            data__ipam['type'] = ''
        if 'subnet' in data__ipam:
            data__ipam__subnet = data__ipam['subnet']
            if not isinstance(data__ipam__subnet, str):
                raise Refused
        else:
            data__ipam['subnet'] = ''
        if 'rangeStart' in data__ipam:
            data__ipam__rangeStart = data__ipam['rangeStart']
            if not isinstance(data__ipam__rangeStart, str):
                raise Refused
        else:
            data__ipam['rangeStart'] = ''
        if 'rangeEnd' in data__ipam:
            data__ipam__rangeEnd = data__ipam['rangeEnd']
            if not isinstance(data__ipam__rangeEnd, str):
                raise Refused
        else:
            data__ipam['rangeEnd'] = ''
        if 'gateway' in data__ipam:
            data__ipam__gateway = data__ipam['gateway']
            if not isinstance(data__ipam__gateway, str):
                raise Refused
        else:
            data__ipam['gateway'] = ''
        if 'ranges' in data__ipam:
            data__ipam__ranges = data__ipam['ranges']
            _validate___definitions_rangesets(data__ipam__ranges)
        else:
            data__ipam['ranges'] = []
        if 'routes' in data__ipam:
            data__ipam__routes = data__ipam['routes']
            if not isinstance(data__ipam__routes, (list, tuple)):
                raise Refused
            for data__ipam__routes_item in data__ipam__routes:
                _validate___definitions_route(data__ipam__routes_item)
        else:
            data__ipam['routes'] = []
        if 'resolvConf' in data__ipam:
            data__ipam__resolvConf = data__ipam['resolvConf']
            if not isinstance(data__ipam__resolvConf, str):
                raise Refused
        else:
            data__ipam['resolvConf'] = ''
        if 'dataDir' in data__ipam:
            data__ipam__dataDir = data__ipam['dataDir']
            if not isinstance(data__ipam__dataDir, str):
                raise Refused
        else:
            data__ipam['dataDir'] = ''
        if 'sticky' in data__ipam:
            data__ipam__sticky = data__ipam['sticky']
            if not isinstance(data__ipam__sticky, (bool, str)):
                raise Refused
        else:
            data__ipam['sticky'] = False
    if 'cluster' in data:
        data__cluster = data['cluster']
        if not isinstance(data__cluster, dict):
            raise Refused
        if 'store' in data__cluster:
            data__cluster__store = data__cluster['store']
            if not isinstance(data__cluster__store, str):
                raise Refused
            if not (isinstance(data__cluster__store, str) and data__cluster__store == 'etcd' or (isinstance(data__cluster__store, str) and data__cluster__store == 'kubernetes')):
                raise Refused
        else:
            data__cluster['store'] = 'etcd'
        if 'endpoints' in data__cluster:
            data__cluster__endpoints = data__cluster['endpoints']
            if not isinstance(data__cluster__endpoints, (list, tuple)):
                raise Refused
            for data__cluster__endpoints_item in data__cluster__endpoints:
                if not isinstance(data__cluster__endpoints_item, str):
                    raise Refused
        else:
            data__cluster['endpoints'] = []
        if 'prefix' in data__cluster:
            data__cluster__prefix = data__cluster['prefix']
            if not isinstance(data__cluster__prefix, str):
                raise Refused
        else:
            data__cluster['prefix'] = '/cni-bridge'
        if 'network' in data__cluster:
            data__cluster__network = data__cluster['network']
            if not isinstance(data__cluster__network, str):
                raise Refused
        else:
            data__cluster['network'] = ''
        if 'blockSize' in data__cluster:
            data__cluster__blockSize = data__cluster['blockSize']
            if not isinstance(data__cluster__blockSize, int) or isinstance(data__cluster__blockSize, bool):
                raise Refused
            if data__cluster__blockSize < 8:
                raise Refused
            if data__cluster__blockSize > 30:
                raise Refused
        else:
            data__cluster['blockSize'] = 26
        if 'network6' in data__cluster:
            data__cluster__network6 = data__cluster['network6']
            if not isinstance(data__cluster__network6, str):
                raise Refused
        else:
            data__cluster['network6'] = ''
        if 'blockSize6' in data__cluster:
            data__cluster__blockSize6 = data__cluster['blockSize6']
            if not isinstance(data__cluster__blockSize6, int) or isinstance(data__cluster__blockSize6, bool):
                raise Refused
            if data__cluster__blockSize6 < 16:
                raise Refused
            if data__cluster__blockSize6 > 126:
                raise Refused
        else:
            data__cluster['blockSize6'] = 122
        if 'ranges' in data__cluster:
            data__cluster__ranges = data__cluster['ranges']
            if not isinstance(data__cluster__ranges, str):
                raise Refused
            if not (isinstance(data__cluster__ranges, str) and data__cluster__ranges == 'leased' or (isinstance(data__cluster__ranges, str) and data__cluster__ranges == 'node')):
                raise Refused
        else:
            data__cluster['ranges'] = 'leased'
        if 'backend' in data__cluster:
            data__cluster__backend = data__cluster['backend']
            if not isinstance(data__cluster__backend, str):
                raise Refused
            if not (isinstance(data__cluster__backend, str) and data__cluster__backend == 'host-gw' or (isinstance(data__cluster__backend, str) and data__cluster__backend == 'vxlan')):
                raise Refused
        else:
            data__cluster['backend'] = 'host-gw'
        if 'vni' in data__cluster:
            data__cluster__vni = data__cluster['vni']
            if not isinstance(data__cluster__vni, int) or isinstance(data__cluster__vni, bool):
                raise Refused
            if data__cluster__vni < 1:
                raise Refused
            if data__cluster__vni > 16777215:
                raise Refused
        else:
            data__cluster['vni'] = 4096
        if 'vxlanPort' in data__cluster:
            data__cluster__vxlanPort = data__cluster['vxlanPort']
            if not isinstance(data__cluster__vxlanPort, int) or isinstance(data__cluster__vxlanPort, bool):
                raise Refused
            if data__cluster__vxlanPort < 1:
                raise Refused
            if data__cluster__vxlanPort > 65535:
                raise Refused
        else:
            data__cluster['vxlanPort'] = 4789
        if 'ttl' in data__cluster:
            data__cluster__ttl = data__cluster['ttl']
            if not isinstance(data__cluster__ttl, int) or isinstance(data__cluster__ttl, bool):
                raise Refused
            if data__cluster__ttl < 2:
                raise Refused
            if data__cluster__ttl > 31536000:
                raise Refused
        else:
            data__cluster['ttl'] = 86400
        if 'grace' in data__cluster:
            data__cluster__grace = data__cluster['grace']
            if not isinstance(data__cluster__grace, int) or isinstance(data__cluster__grace, bool):
                raise Refused
            if data__cluster__grace < 0:
                raise Refused
            if data__cluster__grace > 31536000:
                raise Refused
        else:
            data__cluster['grace'] = 86400
        if 'lowWater' in data__cluster:
            data__cluster__lowWater = data__cluster['lowWater']
            if not isinstance(data__cluster__lowWater, int) or isinstance(data__cluster__lowWater, bool):
                raise Refused
            if data__cluster__lowWater < 1:
                raise Refused
            if data__cluster__lowWater > 65536:
                raise Refused
        else:
            data__cluster['lowWater'] = 16
        if 'caFile' in data__cluster:
            data__cluster__caFile = data__cluster['caFile']
            if not isinstance(data__cluster__caFile, str):
                raise Refused
        else:
            data__cluster['caFile'] = ''
        if 'certFile' in data__cluster:
            data__cluster__certFile = data__cluster['certFile']
            if not isinstance(data__cluster__certFile, str):
                raise Refused
        else:
            data__cluster['certFile'] = ''
        if 'keyFile' in data__cluster:
            data__cluster__keyFile = data__cluster['keyFile']
            if not isinstance(data__cluster__keyFile, str):
                raise Refused
        else:
            data__cluster['keyFile'] = ''
        if 'username' in data__cluster:
            data__cluster__username = data__cluster['username']
            if not isinstance(data__cluster__username, str):
                raise Refused
        else:
            data__cluster['username'] = ''
        if 'passwordFile' in data__cluster:
            data__cluster__passwordFile = data__cluster['passwordFile']
            if not isinstance(data__cluster__passwordFile, str):
                raise Refused
        else:
            data__cluster['passwordFile'] = ''
        if 'kubeconfig' in data__cluster:
            data__cluster__kubeconfig = data__cluster['kubeconfig']
            if not isinstance(data__cluster__kubeconfig, str):
                raise Refused
        else:
            data__cluster['kubeconfig'] = ''
        if 'node' in data__cluster:
            data__cluster__node = data__cluster['node']
            if not isinstance(data__cluster__node, str):
                raise Refused
        else:
            data__cluster['node'] = ''
    if 'dns' in data:
        data__dns = data['dns']
        if not isinstance(data__dns, dict):
            raise Refused
        if 'nameservers' in data__dns:
            data__dns__nameservers = data__dns['nameservers']
            _validate___definitions_texts(data__dns__nameservers)
        if 'domain' in data__dns:
            data__dns__domain = data__dns['domain']
            if not isinstance(data__dns__domain, str):
                raise Refused
        else:
            data__dns['domain'] = ''
        if 'search' in data__dns:
            data__dns__search = data__dns['search']
            _validate___definitions_texts(data__dns__search)
        if 'options' in data__dns:
            data__dns__options = data__dns['options']
            _validate___definitions_texts(data__dns__options)
    if 'args' in data:
        data__args = data['args']
        if not isinstance(data__args, dict):
            raise Refused
        if 'cni' in data__args:
            data__args__cni = data__args['cni']
            if not isinstance(data__args__cni, dict):
                raise Refused
            if 'mac' in data__args__cni:
                data__args__cni__mac = data__args__cni['mac']
                if not isinstance(data__args__cni__mac, str):
                    raise Refused
            else:
                data__args__cni['mac'] = ''
            if 'mtu' in data__args__cni:
                data__args__cni__mtu = data__args__cni['mtu']
                if not isinstance(data__args__cni__mtu, int) or isinstance(data__args__cni__mtu, bool):
                    raise Refused
                if data__args__cni__mtu < 0:
                    raise Refused
                if data__args__cni__mtu > 65535:
                    raise Refused
            if 'sysctl' in data__args__cni:
                data__args__cni__sysctl = data__args__cni['sysctl']
                if not isinstance(data__args__cni__sysctl, dict):
                    raise Refused
                for data__args__cni__sysctl_key in data__args__cni__sysctl:
                    if data__args__cni__sysctl_key not in []:
                        data__args__cni__sysctl_value = data__args__cni__sysctl.get(data__args__cni__sysctl_key)
                        if not isinstance(data__args__cni__sysctl_value, (str, NoneType)):
                            raise Refused
            if 'promisc' in data__args__cni:
                data__args__cni__promisc = data__args__cni['promisc']
                if not isinstance(data__args__cni__promisc, bool):
                    raise Refused
            if 'allmulti' in data__args__cni:
                data__args__cni__allmulti = data__args__cni['allmulti']
                if not isinstance(data__args__cni__allmulti, bool):
                    raise Refused
            if 'txQLen' in data__args__cni:
                data__args__cni__txQLen = data__args__cni['txQLen']
                if not isinstance(data__args__cni__txQLen, int) or isinstance(data__args__cni__txQLen, bool):
                    raise Refused
                if data__args__cni__txQLen < 0:
                    raise Refused
                if data__args__cni__txQLen > 2147483647:
                    raise Refused
            if 'ips' in data__args__cni:
                data__args__cni__ips = data__args__cni['ips']
                _validate___definitions_texts(data__args__cni__ips)
            else:
                data__args__cni['ips'] = []
            if 'aliases' in data__args__cni:
                data__args__cni__aliases = data__args__cni['aliases']
                _validate___definitions_texts(data__args__cni__aliases)
            else:
                data__args__cni['aliases'] = []
            if 'labels' in data__args__cni:
                data__args__cni__labels = data__args__cni['labels']
                if not isinstance(data__args__cni__labels, (list, tuple)):
                    raise Refused
                for data__args__cni__labels_item in data__args__cni__labels:
                    if not isinstance(data__args__cni__labels_item, dict):
                        raise Refused
                    if 'key' in data__args__cni__labels_item:
                        data__args__cni__labels_item__key = data__args__cni__labels_item['key']
                        if not isinstance(data__args__cni__labels_item__key, str):
                            raise Refused
                    else:
                        data__args__cni__labels_item['key'] = ''
                    if 'value' in data__args__cni__labels_item:
                        data__args__cni__labels_item__value = data__args__cni__labels_item['value']
                        if not isinstance(data__args__cni__labels_item__value, str):
                            raise Refused
                    else:
                        data__args__cni__labels_item['value'] = ''
            else:
                data__args__cni['labels'] = []
    if 'runtimeConfig' in data:
        data__runtimeConfig = data['runtimeConfig']
        if not isinstance(data__runtimeConfig, dict):
            raise Refused
        if 'mac' in data__runtimeConfig:
            data__runtimeConfig__mac = data__runtimeConfig['mac']
            if not isinstance(data__runtimeConfig__mac, str):
                raise Refused
        else:
            data__runtimeConfig['mac'] = ''
        if 'ips' in data__runtimeConfig:
            data__runtimeConfig__ips = data__runtimeConfig['ips']
            _validate___definitions_texts(data__runtimeConfig__ips)
        else:
            data__runtimeConfig['ips'] = []
        if 'ipRanges' in data__runtimeConfig:
            data__runtimeConfig__ipRanges = data__runtimeConfig['ipRanges']
            _validate___definitions_rangesets(data__runtimeConfig__ipRanges)
        else:
            data__runtimeConfig['ipRanges'] = []
        if 'portMappings' in data__runtimeConfig:
            data__runtimeConfig__portMappings = data__runtimeConfig['portMappings']
            if not isinstance(data__runtimeConfig__portMappings, (list, tuple)):
                raise Refused
            for data__runtimeConfig__portMappings_item in data__runtimeConfig__portMappings:
                if not isinstance(data__runtimeConfig__portMappings_item, dict):
                    raise Refused
                if 'hostPort' not in data__runtimeConfig__portMappings_item or 'containerPort' not in data__runtimeConfig__portMappings_item:
                    raise Refused
                if 'hostPort' in data__runtimeConfig__portMappings_item:
                    data__runtimeConfig__portMappings_item__hostPort = data__runtimeConfig__portMappings_item['hostPort']
                    if not isinstance(data__runtimeConfig__portMappings_item__hostPort, int) or isinstance(data__runtimeConfig__portMappings_item__hostPort, bool):
                        raise Refused
                    if data__runtimeConfig__portMappings_item__hostPort < 0:
                        raise Refused
                    if data__runtimeConfig__portMappings_item__hostPort > 65535:
                        raise Refused
                if 'containerPort' in data__runtimeConfig__portMappings_item:
                    data__runtimeConfig__portMappings_item__containerPort = data__runtimeConfig__portMappings_item['containerPort']
                    _validate___definitions_port(data__runtimeConfig__portMappings_item__containerPort)
                if 'protocol' in data__runtimeConfig__portMappings_item:
                    data__runtimeConfig__portMappings_item__protocol = data__runtimeConfig__portMappings_item['protocol']
                    if not isinstance(data__runtimeConfig__portMappings_item__protocol, str):
                        raise Refused
                else:
                    data__runtimeConfig__portMappings_item['protocol'] = 'tcp'
                if 'hostIP' in data__runtimeConfig__portMappings_item:
                    data__runtimeConfig__portMappings_item__hostIP = data__runtimeConfig__portMappings_item['hostIP']
                    if not isinstance(data__runtimeConfig__portMappings_item__hostIP, str):
                        raise Refused
                else:
                    data__runtimeConfig__portMappings_item['hostIP'] = ''
                if 'range' in data__runtimeConfig__portMappings_item:
                    data__runtimeConfig__portMappings_item__range = data__runtimeConfig__portMappings_item['range']
                    if not isinstance(data__runtimeConfig__portMappings_item__range, int) or isinstance(data__runtimeConfig__portMappings_item__range, bool):
                        raise Refused
                    if data__runtimeConfig__portMappings_item__range < 1:
                        raise Refused
                    if data__runtimeConfig__portMappings_item__range > 65535:
                        raise Refused
                else:
                    data__runtimeConfig__portMappings_item['range'] = 1
        else:
            data__runtimeConfig['portMappings'] = []
        if 'dns' in data__runtimeConfig:
            data__runtimeConfig__dns = data__runtimeConfig['dns']
            if not isinstance(data__runtimeConfig__dns, dict):
                raise Refused
            if 'servers' in data__runtimeConfig__dns:
                data__runtimeConfig__dns__servers = data__runtimeConfig__dns['servers']
                _validate___definitions_texts(data__runtimeConfig__dns__servers)
            else:
                data__runtimeConfig__dns['servers'] = []
            if 'searches' in data__runtimeConfig__dns:
                data__runtimeConfig__dns__searches = data__runtimeConfig__dns['searches']
                _validate___definitions_texts(data__runtimeConfig__dns__searches)
            else:
                data__runtimeConfig__dns['searches'] = []
            if 'options' in data__runtimeConfig__dns:
                data__runtimeConfig__dns__options = data__runtimeConfig__dns['options']
                _validate___definitions_texts(data__runtimeConfig__dns__options)
            else:
                data__runtimeConfig__dns['options'] = []
        if 'bandwidth' in data__runtimeConfig:
            data__runtimeConfig__bandwidth = data__runtimeConfig['bandwidth']
            if not isinstance(data__runtimeConfig__bandwidth, dict):
                raise Refused
            if 'ingressRate' in data__runtimeConfig__bandwidth:
                data__runtimeConfig__bandwidth__ingressRate = data__runtimeConfig__bandwidth['ingressRate']
                _validate___definitions_bits(data__runtimeConfig__bandwidth__ingressRate)
            else:
                data__runtimeConfig__bandwidth['ingressRate'] = 0
            if 'ingressBurst' in data__runtimeConfig__bandwidth:
                data__runtimeConfig__bandwidth__ingressBurst = data__runtimeConfig__bandwidth['ingressBurst']
                _validate___definitions_bits(data__runtimeConfig__bandwidth__ingressBurst)
            else:
                data__runtimeConfig__bandwidth['ingressBurst'] = 0
            if 'egressRate' in data__runtimeConfig__bandwidth:
                data__runtimeConfig__bandwidth__egressRate = data__runtimeConfig__bandwidth['egressRate']
                _validate___definitions_bits(data__runtimeConfig__bandwidth__egressRate)
            else:
                data__runtimeConfig__bandwidth['egressRate'] = 0
            if 'egressBurst' in data__runtimeConfig__bandwidth:
                data__runtimeConfig__bandwidth__egressBurst = data__runtimeConfig__bandwidth['egressBurst']
                _validate___definitions_bits(data__runtimeConfig__bandwidth__egressBurst)
            else:
                data__runtimeConfig__bandwidth['egressBurst'] = 0
        if 'aliases' in data__runtimeConfig:
            data__runtimeConfig__aliases = data__runtimeConfig['aliases']
            if not isinstance(data__runtimeConfig__aliases, (list, tuple, dict)):
                raise Refused
        if 'cgroupPath' in data__runtimeConfig:
            data__runtimeConfig__cgroupPath = data__runtimeConfig['cgroupPath']
            if not isinstance(data__runtimeConfig__cgroupPath, str):
                raise Refused
        else:
            data__runtimeConfig['cgroupPath'] = ''
        if 'deviceID' in data__runtimeConfig:
            data__runtimeConfig__deviceID = data__runtimeConfig['deviceID']
            if not isinstance(data__runtimeConfig__deviceID, str):
                raise Refused
        else:
            data__runtimeConfig['deviceID'] = ''
        if 'infinibandGUID' in data__runtimeConfig:
            data__runtimeConfig__infinibandGUID = data__runtimeConfig['infinibandGUID']
            if not isinstance(data__runtimeConfig__infinibandGUID, str):
                raise Refused
        else:
            data__runtimeConfig['infinibandGUID'] = ''
    if 'prevResult' in data:
        data__prevResult = data['prevResult']
        if not isinstance(data__prevResult, dict):
            raise Refused
        if 'interfaces' in data__prevResult:
            data__prevResult__interfaces = data__prevResult['interfaces']
            if not isinstance(data__prevResult__interfaces, (list, tuple)):
                raise Refused
            for data__prevResult__interfaces_item in data__prevResult__interfaces:
                if not isinstance(data__prevResult__interfaces_item, dict):
                    raise Refused
                if 'name' in data__prevResult__interfaces_item:
                    data__prevResult__interfaces_item__name = data__prevResult__interfaces_item['name']
                    if not isinstance(data__prevResult__interfaces_item__name, str):
                        raise Refused
                if 'mac' in data__prevResult__interfaces_item:
                    data__prevResult__interfaces_item__mac = data__prevResult__interfaces_item['mac']
                    if not isinstance(data__prevResult__interfaces_item__mac, str):
                        raise Refused
                if 'sandbox' in data__prevResult__interfaces_item:
                    data__prevResult__interfaces_item__sandbox = data__prevResult__interfaces_item['sandbox']
                    if not isinstance(data__prevResult__interfaces_item__sandbox, str):
                        raise Refused
        if 'ips' in data__prevResult:
            data__prevResult__ips = data__prevResult['ips']
            if not isinstance(data__prevResult__ips, (list, tuple)):
                raise Refused
            for data__prevResult__ips_item in data__prevResult__ips:
                if not isinstance(data__prevResult__ips_item, dict):
                    raise Refused
                if 'address' not in data__prevResult__ips_item:
                    raise Refused
                if 'address' in data__prevResult__ips_item:
                    data__prevResult__ips_item__address = data__prevResult__ips_item['address']
                    if not isinstance(data__prevResult__ips_item__address, str):
                        raise Refused
                if 'gateway' in data__prevResult__ips_item:
                    data__prevResult__ips_item__gateway = data__prevResult__ips_item['gateway']
                    if not isinstance(data__prevResult__ips_item__gateway, str):
                        raise Refused
                if 'interface' in data__prevResult__ips_item:
                    data__prevResult__ips_item__interface = data__prevResult__ips_item['interface']
                    if not isinstance(data__prevResult__ips_item__interface, int) or isinstance(data__prevResult__ips_item__interface, bool):
                        raise Refused
        if 'routes' in data__prevResult:
            data__prevResult__routes = data__prevResult['routes']
            if not isinstance(data__prevResult__routes, (list, tuple)):
                raise Refused
            for data__prevResult__routes_item in data__prevResult__routes:
                _validate___definitions_pastroute(data__prevResult__routes_item)
        if 'dns' in data__prevResult:
            data__prevResult__dns = data__prevResult['dns']
            if not isinstance(data__prevResult__dns, dict):
                raise Refused
            if 'nameservers' in data__prevResult__dns:
                data__prevResult__dns__nameservers = data__prevResult__dns['nameservers']
                _validate___definitions_texts(data__prevResult__dns__nameservers)
            if 'domain' in data__prevResult__dns:
                data__prevResult__dns__domain = data__prevResult__dns['domain']
                if not isinstance(data__prevResult__dns__domain, str):
                    raise Refused
            if 'search' in data__prevResult__dns:
                data__prevResult__dns__search = data__prevResult__dns['search']
                _validate___definitions_texts(data__prevResult__dns__search)
            if 'options' in data__prevResult__dns:
                data__prevResult__dns__options = data__prevResult__dns['options']
                _validate___definitions_texts(data__prevResult__dns__options)
        if 'ip4' in data__prevResult:
            data__prevResult__ip4 = data__prevResult['ip4']
            _validate___definitions_flataddress(data__prevResult__ip4)
        if 'ip6' in data__prevResult:
            data__prevResult__ip6 = data__prevResult['ip6']
            _validate___definitions_flataddress(data__prevResult__ip6)
    if 'cni.dev/valid-attachments' in data:
        data__cnidevvalidattachments = data['cni.dev/valid-attachments']
        _validate___definitions_attachments(data__cnidevvalidattachments)
    if 'cni.dev/attachments' in data:
        data__cnidevattachments = data['cni.dev/attachments']
        _validate___definitions_attachments(data__cnidevattachments)
    return data


def _validate___definitions_attachments(data):
    if not isinstance(data, (list, tuple)):
        raise Refused
    for data_item in data:
        if not isinstance(data_item, dict):
            raise Refused
        if 'containerID' not in data_item or 'ifname' not in data_item:
            raise Refused
        if 'containerID' in data_item:
            data_item__containerID = data_item['containerID']
            if not isinstance(data_item__containerID, str):
                raise Refused
            data_item__containerID_len = len(data_item__containerID)
            if data_item__containerID_len < 1:
                raise Refused
        if 'ifname' in data_item:
            data_item__ifname = data_item['ifname']
            if not isinstance(data_item__ifname, str):
                raise Refused
            data_item__ifname_len = len(data_item__ifname)
            if data_item__ifname_len < 1:
                raise Refused
    return data


def _validate___definitions_flataddress(data):
    if not isinstance(data, dict):
        raise Refused
    if 'ip' not in data:
        raise Refused
    if 'ip' in data:
        data__ip = data['ip']
        if not isinstance(data__ip, str):
            raise Refused
    if 'gateway' in data:
        data__gateway = data['gateway']
        if not isinstance(data__gateway, str):
            raise Refused
    if 'routes' in data:
        data__routes = data['routes']
        if not isinstance(data__routes, (list, tuple)):
            raise Refused
        for data__routes_item in data__routes:
            _validate___definitions_pastroute(data__routes_item)
    return data


def _validate___definitions_pastroute(data):
    if not isinstance(data, dict):
        raise Refused
    if 'dst' not in data:
        raise Refused
    if 'dst' in data:
        data__dst = data['dst']
        if not isinstance(data__dst, str):
            raise Refused
    if 'gw' in data:
        data__gw = data['gw']
        if not isinstance(data__gw, str):
            raise Refused
    if 'mtu' in data:
        data__mtu = data['mtu']
        if not isinstance(data__mtu, int) or isinstance(data__mtu, bool):
            raise Refused
    if 'advmss' in data:
        data__advmss = data['advmss']
        if not isinstance(data__advmss, int) or isinstance(data__advmss, bool):
            raise Refused
    if 'priority' in data:
        data__priority = data['priority']
        if not isinstance(data__priority, int) or isinstance(data__priority, bool):
            raise Refused
    if 'table' in data:
        data__table = data['table']
        if not isinstance(data__table, int) or isinstance(data__table, bool):
            raise Refused
    if 'scope' in data:
        data__scope = data['scope']
        if not isinstance(data__scope, int) or isinstance(data__scope, bool):
            raise Refused
    return data


def _validate___definitions_port(data):
    if not isinstance(data, int) or isinstance(data, bool):
        raise Refused
    if data < 1:
        raise Refused
    if data > 65535:
        raise Refused
    return data


def _validate___definitions_route(data):
    if not isinstance(data, dict):
        raise Refused
    if 'dst' not in data:
        raise Refused
    if 'dst' in data:
        data__dst = data['dst']
        if not isinstance(data__dst, str):
            raise Refused
        data__dst_len = len(data__dst)
        if data__dst_len < 1:
            raise Refused
    if 'gw' in data:
        data__gw = data['gw']
        if not isinstance(data__gw, str):
            raise Refused
    else:
        data['gw'] = ''
    if 'mtu' in data:
        data__mtu = data['mtu']
        if not isinstance(data__mtu, int) or isinstance(data__mtu, bool):
            raise Refused
        if data__mtu < 0:
            raise Refused
        if data__mtu > 65535:
            raise Refused
    if 'advmss' in data:
        data__advmss = data['advmss']
        if not isinstance(data__advmss, int) or isinstance(data__advmss, bool):
            raise Refused
        if data__advmss < 0:
            raise Refused
        if data__advmss > 65535:
            raise Refused
    if 'priority' in data:
        data__priority = data['priority']
        _validate___definitions_number(data__priority)
    if 'table' in data:
        data__table = data['table']
        _validate___definitions_number(data__table)
    if 'scope' in data:
        data__scope = data['scope']
        if not isinstance(data__scope, int) or isinstance(data__scope, bool):
            raise Refused
        if data__scope < 0:
            raise Refused
        if data__scope > 255:
            raise Refused
    return data


def _validate___definitions_number(data):
    if not isinstance(data, int) or isinstance(data, bool):
        raise Refused
    if data < 0:
        raise Refused
    if data > 4294967295:
        raise Refused
    return data


def _validate___definitions_rangesets(data):
    if not isinstance(data, (list, tuple)):
        raise Refused
    for data_item in data:
        if not isinstance(data_item, (list, tuple)):
            raise Refused
        data_item_len = len(data_item)
        if data_item_len < 1:
            raise Refused
        for data_item_item in data_item:
            if not isinstance(data_item_item, dict):
                raise Refused
            if 'subnet' not in data_item_item:
                raise Refused
            if 'subnet' in data_item_item:
                data_item_item__subnet = data_item_item['subnet']
                if not isinstance(data_item_item__subnet, str):
                    raise Refused
                data_item_item__subnet_len = len(data_item_item__subnet)
                if data_item_item__subnet_len < 1:
                    raise Refused
            if 'rangeStart' in data_item_item:
                data_item_item__rangeStart = data_item_item['rangeStart']
                if not isinstance(data_item_item__rangeStart, str):
                    raise Refused
            else:
                data_item_item['rangeStart'] = ''
            if 'rangeEnd' in data_item_item:
                data_item_item__rangeEnd = data_item_item['rangeEnd']
                if not isinstance(data_item_item__rangeEnd, str):
                    raise Refused
            else:
                data_item_item['rangeEnd'] = ''
            if 'gateway' in data_item_item:
                data_item_item__gateway = data_item_item['gateway']
                if not isinstance(data_item_item__gateway, str):
                    raise Refused
            else:
                data_item_item['gateway'] = ''
    return data


def _validate___definitions_bits(data):
    if not isinstance(data, int) or isinstance(data, bool):
        raise Refused
    if data < 0:
        raise Refused
    if data > 18446744073709551615:
        raise Refused
    return data


def _validate___definitions_texts(data):
    if not isinstance(data, (list, tuple)):
        raise Refused
    for data_item in data:
        if not isinstance(data_item, str):
            raise Refused
    return data


def _validate___definitions_vlan(data):
    if not isinstance(data, int) or isinstance(data, bool):
        raise Refused
    if data < 1:
        raise Refused
    if data > 4094:
        raise Refused
    return data
