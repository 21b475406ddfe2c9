-- A Wireshark dissector for what the members of a cluster say to each other; qure-election(7) describes it.
-- Put it into Wireshark's folder of personal plugins (`tshark -G folders` names it), or name it at each start:
--     tshark -X lua_script:qure-election.lua -f 'udp port 7784' -V
-- Fields can be filtered by: qure.kind == 5 (claims), qure.term > 7, qure.name == "h1", qure.subject, …
-- It reads; whether a message is authentic only who has the key can tell.

local proto = Proto("qure", "qure election")

local kinds = {
    "heartbeat", "hello", "suspect", "alive", "claim", "transfer", "acknowledgement", "released", "goodbye",
    "challenge", "response", "down",
}
local roles = {
    [0] = "joining", "standby", "suspecting", "claiming", "master", "transferring", "quarantined", "maintenance",
    "fault", "goodbye",
}
local options = {
    "successors", "last heard", "nonce", "echo", "subject", "heard", "hardware address", "name", "reason",
}

local f = {
    magic = ProtoField.string("qure.magic", "Magic"),
    version = ProtoField.uint8("qure.version", "Version"),
    kind = ProtoField.uint8("qure.kind", "Kind", base.DEC, kinds),
    role = ProtoField.uint8("qure.role", "Role", base.DEC, roles),
    flags = ProtoField.uint8("qure.flags", "Flags", base.HEX),
    maintenance = ProtoField.bool("qure.flags.maintenance", "In maintenance", 8, nil, 0x01),
    healthy = ProtoField.bool("qure.flags.healthy", "Healthy", 8, nil, 0x02),
    verified = ProtoField.bool("qure.flags.verified", "Traffic arrives (verified)", 8, nil, 0x04),
    resumed = ProtoField.bool("qure.flags.resumed", "Just resumed", 8, nil, 0x08),
    cluster = ProtoField.uint64("qure.cluster", "Cluster", base.HEX),
    node = ProtoField.uint64("qure.node", "Node", base.HEX),
    session = ProtoField.uint64("qure.session", "Session", base.HEX),
    sequence = ProtoField.uint64("qure.sequence", "Sequence", base.DEC),
    term = ProtoField.uint64("qure.term", "Term", base.DEC),
    rank = ProtoField.uint16("qure.rank", "Rank of the claim", base.DEC),
    priority = ProtoField.uint8("qure.priority", "Priority", base.DEC),
    key = ProtoField.uint8("qure.key", "Key number", base.DEC),
    interval = ProtoField.uint32("qure.interval", "Interval (us)", base.DEC),
    tolerance = ProtoField.uint32("qure.tolerance", "Tolerance (us)", base.DEC),
    settings = ProtoField.uint32("qure.settings", "Settings", base.HEX),
    gateway = ProtoField.uint32("qure.gateway_age", "Gateway heard (ms ago)", base.DEC),
    table = ProtoField.uint32("qure.table", "Version of the succession", base.DEC),
    option = ProtoField.uint8("qure.option", "Option", base.DEC, options),
    length = ProtoField.uint8("qure.option.length", "Length", base.DEC),
    unknown = ProtoField.bytes("qure.option.unknown", "Unknown option"),
    successor = ProtoField.uint64("qure.successor", "Successor", base.HEX),
    digest = ProtoField.none("qure.digest", "Last heard of"),
    digest_node = ProtoField.uint64("qure.digest.node", "Node", base.HEX),
    digest_session = ProtoField.uint64("qure.digest.session", "Session", base.HEX),
    digest_sequence = ProtoField.uint64("qure.digest.sequence", "Sequence", base.DEC),
    nonce = ProtoField.uint64("qure.nonce", "Nonce", base.HEX),
    echo = ProtoField.uint64("qure.echo", "Echo", base.HEX),
    subject = ProtoField.uint64("qure.subject", "Subject", base.HEX),
    heard_sequence = ProtoField.uint64("qure.heard.sequence", "Heard: sequence", base.DEC),
    heard_age = ProtoField.uint32("qure.heard.age", "Heard: age (us)", base.DEC),
    mac = ProtoField.ether("qure.mac", "Hardware address"),
    name = ProtoField.string("qure.name", "Name", base.UNICODE),
    reason = ProtoField.string("qure.reason", "Reason", base.UNICODE),
    code = ProtoField.bytes("qure.code", "Authentication code"),
}
proto.fields = f

local malformed = ProtoExpert.new("qure.malformed", "Malformed", expert.group.MALFORMED, expert.severity.ERROR)
proto.experts = { malformed }

local HEADER, CODE = 72, 16

-- The numbers of the header behind the flags, in their order.
local header = {
    { f.cluster, 8 }, { f.node, 8 }, { f.session, 8 }, { f.sequence, 8 }, { f.term, 8 }, { f.rank, 2 },
    { f.priority, 1 }, { f.key, 1 }, { f.interval, 4 }, { f.tolerance, 4 }, { f.settings, 4 },
}

-- Options that are one field of a fixed length.
local single = { [3] = { f.nonce, 8 }, [4] = { f.echo, 8 }, [5] = { f.subject, 8 }, [7] = { f.mac, 6 } }

-- Adds the content of one option; false: its length is wrong.
local function add_option(tree, kind, body)
    local length = body and body:len() or 0
    if single[kind] then
        if length ~= single[kind][2] then return false end
        tree:add(single[kind][1], body)
    elseif kind == 1 then
        if length % 8 ~= 0 then return false end
        for at = 0, length - 8, 8 do tree:add(f.successor, body(at, 8)) end
    elseif kind == 2 then
        if length % 24 ~= 0 then return false end
        for at = 0, length - 24, 24 do
            local one = tree:add(f.digest, body(at, 24))
            one:add(f.digest_node, body(at, 8))
            one:add(f.digest_session, body(at + 8, 8))
            one:add(f.digest_sequence, body(at + 16, 8))
        end
    elseif kind == 6 then
        if length ~= 12 then return false end
        tree:add(f.heard_sequence, body(0, 8))
        tree:add(f.heard_age, body(8, 4))
    elseif kind == 8 or kind == 9 then
        if length > 0 then tree:add(kind == 8 and f.name or f.reason, body) end
    elseif length > 0 then
        tree:add(f.unknown, body)
    end
    return true
end

local function add_options(tree, tvb, start, stop)
    local at, name, reason = start, nil, nil
    while at < stop do
        local kind = tvb(at, 1):uint()
        local length = at + 2 <= stop and tvb(at + 1, 1):uint() or stop
        if at + 2 + length > stop then
            tree:add_proto_expert_info(malformed, "An option reaches beyond the message")
            return name, reason
        end
        local body = length > 0 and tvb(at + 2, length) or nil
        local branch = tree:add(f.option, tvb(at, 1))
        branch:set_len(2 + length)
        branch:add(f.length, tvb(at + 1, 1))
        if not add_option(branch, kind, body) then
            branch:add_proto_expert_info(malformed, "An option of a length that it cannot have")
        end
        if kind == 8 and body then name = body:string() end
        if kind == 9 and body then reason = body:string() end
        at = at + 2 + length
    end
    return name, reason
end

function proto.dissector(tvb, pinfo, root)
    local length = tvb:len()
    if length < HEADER + CODE or tvb(0, 4):string() ~= "QURE" then return 0 end
    pinfo.cols.protocol = "QURE"
    local kind, role = tvb(5, 1):uint(), tvb(6, 1):uint()
    local tree = root:add(proto, tvb())
    tree:add(f.magic, tvb(0, 4))
    tree:add(f.version, tvb(4, 1))
    tree:add(f.kind, tvb(5, 1))
    tree:add(f.role, tvb(6, 1))
    local flags = tree:add(f.flags, tvb(7, 1))
    for _, field in ipairs({ f.maintenance, f.healthy, f.verified, f.resumed }) do flags:add(field, tvb(7, 1)) end
    local at = 8
    for _, one in ipairs(header) do
        tree:add(one[1], tvb(at, one[2]))
        at = at + one[2]
    end
    local gateway = tree:add(f.gateway, tvb(at, 4))
    if tvb(at, 4):uint() == 0xffffffff then gateway:set_text("Gateway never heard, or not asked") end
    tree:add(f.table, tvb(at + 4, 4))
    local name, reason = add_options(tree, tvb, HEADER, length - CODE)
    tree:add(f.code, tvb(length - CODE, CODE))

    local text = string.format(
        "%s %s %s term %s seq %s", kinds[kind] or "kind-" .. kind, name or tostring(tvb(16, 8):bytes()),
        roles[role] or "role-" .. role, tostring(tvb(40, 8):uint64()), tostring(tvb(32, 8):uint64()))
    if reason then text = text .. " reason " .. reason end
    pinfo.cols.info = text
    tree:append_text(", " .. text)
    return length
end

DissectorTable.get("udp.port"):add(7784, proto)
