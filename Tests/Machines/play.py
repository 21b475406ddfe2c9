"""Three virtual machines in an election, and what becomes of the address when they are treated as only virtual machines
are: their power button is pressed, they are paused, killed, saved and brought back as they once were.

play.py DIRECTORY, in a private network: scripts/test-machines calls it and has put vmlinux and initramfs there. A
client asks at the shared address all the time, and a witness asks the link who has it (qure-lab meter, qure-lab
witness). Each check is a line on standard output, with its figures.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import time

WORK = sys.argv[1]
LAB = os.path.abspath("build/bin/qure-lab")
ADDRESS, ADDRESS6 = "192.0.2.100", "2001:db8::100"
GROUP_MAC = "01:00:5e:00:00:7b"  # 224.0.0.123
SOLICITED_MAC = "33:33:ff:00:01:00"  # ff02::1:ff00:100
VIRTUAL_MAC = "06:51:c0:00:02:64"  # what --virtual-mac makes of the address
# In milliseconds: what a machine has to forgive that is emulated, with two others, by a processor that others use, too.
PROFILE, INTERVAL, TOLERANCE = "steady", 200, 1000
# Behind the tolerance comes the confirmation, an eighth of it and 40 at most for each rank.
TAKE_OVER = TOLERANCE + 2 * 40
PAUSE = 8


def milliseconds():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) / 1e6


def eventually(fact, limit=20):
    """Waits until there is something to return; gives up, with what there is, after that many seconds."""
    end = time.monotonic() + limit
    while not (found := fact()) and time.monotonic() < end:
        time.sleep(0.02)
    return found


def command(line):
    subprocess.run(line.split(), check=True, stdin=subprocess.DEVNULL)


class Instrument:
    """A meter or a witness in a namespace of its own; what it says is a list of records."""

    def __init__(self, namespace, *words):
        self.records = []
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", namespace, LAB, *words, "--json"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        with open(f"{WORK}/instruments", "a") as log:
            for line in self.process.stdout:
                log.write(f"{self.process.args[3]} {self.process.args[5]} {line}")
                self.records.append(json.loads(line))

    def all(self, event, since=0):
        """Records of one kind, those alone that end after a moment."""
        found = [record for record in self.records if record["event"] == event]
        return [record for record in found if record.get("to_ns", record.get("at_ns", 0)) / 1e6 >= since]

    def answerer(self):
        """Who answered last."""
        answers = self.all("answered")
        return answers[-1]["by"] if answers else None

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()
            self.reader.join()
        return self.records[-1]


class Watch:
    """The client, asking in both families, and the witness, for the length of one check."""

    def __init__(self):
        self.client = Instrument("client", "meter", "--site", ADDRESS, "--rate", "100", "--quiet", "10ms")
        self.client6 = Instrument("client", "meter", "--site", ADDRESS6, "--rate", "50", "--quiet", "10ms")
        self.witness = Instrument("observer", "witness", "--interval", "20ms", ADDRESS)

    def __enter__(self):
        self.holder = eventually(self.client.answerer)
        eventually(self.client6.answerer)
        if not self.holder:
            raise SystemExit("play: nobody answers at the shared address")
        # What nothing but this machine's own load does to the emulated ones, in the calm before: that is forgiven.
        calm = milliseconds()
        time.sleep(1.5)
        self.slack = 50 + 4 * self.outage(calm)
        return self

    def __exit__(self, *error):
        for instrument in (self.client, self.client6, self.witness):
            instrument.stop()

    def next(self, limit=20):
        """Another one than at the beginning, once it answers."""
        return eventually(lambda: self.client.answerer() != self.holder and self.client.answerer(), limit)

    def move(self, since=0):
        """Waits for another one, and a second more; who it is, the requests lost in each family, the outage."""
        new = self.next()
        time.sleep(1)
        return new, self.lost(), self.outage(since)

    def lost(self):
        return [meter.stop()["lost"] for meter in (self.client, self.client6)]

    def outage(self, since=0):
        """The longest time without an answer, in milliseconds, in either family."""
        spans = self.client.all("outage", since) + self.client6.all("outage", since)
        return max([span["outage_us"] / 1000 for span in spans], default=0)

    def together(self, since=0):
        """How long two had the address, and the last moment of that."""
        self.witness.stop()
        spans = self.witness.all("together", since)
        end = max([span["to_ns"] / 1e6 for span in spans], default=0)
        return sum(span["together_us"] for span in spans) / 1000, end


class Effort:
    """How long the emulation of a machine's processor has run, or has wanted to, moment by moment: what the machine
    does in that time would take a real one a fraction of it, and is not the election's fault."""

    def __init__(self, machine):
        self.folder = f"/proc/{machine.process.pid}/task"
        self.samples = []
        threading.Thread(target=self.sample, daemon=True).start()

    def sample(self):
        end = milliseconds() + 4000
        while (now := milliseconds()) < end:
            threads = {}
            for thread in os.listdir(self.folder):
                try:
                    with open(f"{self.folder}/{thread}/schedstat") as file:
                        ran, waited, _ = map(int, file.read().split())
                except OSError:
                    continue  # It has ended.
                threads[thread] = (ran + waited) / 1e6
            self.samples.append((now, threads))
            time.sleep(0.01)

    def until(self, moment):
        """That of its busiest thread, from the beginning to a moment."""
        samples = [threads for at, threads in self.samples if at <= moment + 20]
        return max([samples[-1][thread] - samples[0].get(thread, 0) for thread in samples[-1]]) if samples else 0


class Machine:
    """One virtual machine: QEMU, its monitor (QMP), and a shell in it."""

    def __init__(self, number):
        self.number = number
        self.name = f"m{number}"
        self.mac = f"52:54:00:00:00:0{number}"
        command(f"ip tuntap add tap{number} mode tap")
        command(f"ip link set tap{number} master lan up")

    def start(self, saved=None):
        path = f"/run/{self.name}.qmp"
        words = (
            "qemu-system-x86_64 -accel tcg -m 288 -nodefaults -no-user-config -display none -no-reboot"
            f" -kernel {WORK}/vmlinux -initrd {WORK}/initramfs -serial file:{WORK}/{self.name}.console"
            f" -qmp unix:{path},server=on,wait=off -device virtio-net-pci,netdev=net,mac={self.mac},romfile="
            f" -netdev tap,id=net,ifname=tap{self.number},script=no,downscript=no").split()
        words += ["-append", f"console=ttyS0 quiet mitigations=off panic=-1 number={self.number}"]
        if saved:
            words += ["-incoming", f"exec:cat {saved}"]
        if os.path.exists(path):
            os.remove(path)
        with open(f"{WORK}/{self.name}.qemu", "a") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if not eventually(lambda: os.path.exists(path) or self.process.poll() is not None) or self.process.poll():
            raise SystemExit(f"play: QEMU does not start, see {log.name}")
        monitor = socket.socket(socket.AF_UNIX)
        eventually(lambda: monitor.connect_ex(path) == 0)
        self.monitor = monitor.makefile("rw")
        self.monitor.readline()
        self.qmp("qmp_capabilities")

    def qmp(self, name, **arguments):
        self.monitor.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self.monitor.flush()
        for line in self.monitor:
            answer = json.loads(line)
            if "error" in answer:
                raise SystemExit(f"play: {self.name}: {name}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]
        raise SystemExit(f"play: {self.name}: {name}: QEMU is gone")

    def shell(self, line, limit=10):
        """What a command in the machine says; nothing where the machine does not answer."""
        said = b""
        try:
            with socket.create_connection((f"192.0.2.1{self.number}", 2323), limit) as call:
                call.sendall(line.encode() + b"\n")
                call.shutdown(socket.SHUT_WR)
                while part := call.recv(65536):
                    said += part
        except OSError:
            return ""
        return said.decode()

    def begin(self, options=""):
        """Its part in the election, and a reader who keeps the events."""
        addresses = f"{ADDRESS}/24 {ADDRESS6}/64"
        elect = f"qure-elect run --cluster home -i eth0 --key-file /key -v --profile {PROFILE}"
        elect += "".join(f" --address {address}" for address in addresses.split())
        self.shell(
            f"({elect} 2>> /tmp/elect | qure-claim follow -i eth0 {options} {addresses} > /tmp/holds 2>> /tmp/claim)"
            " < /dev/null > /dev/null 2>&1 &")
        self.shell(
            "(until qure-elect watch --cluster home; do sleep 0.1; done)"
            " < /dev/null >> /tmp/events 2> /dev/null &")

    def end(self):
        self.shell("killall -TERM qure-elect; while pidof qure-claim qure-elect; do sleep 0.1; done")

    def status(self):
        said = self.shell("qure-elect status --cluster home --json 2> /dev/null")
        return json.loads(said) if said.strip() else {}

    def role(self):
        return self.status().get("role")

    def reasons(self):
        """The reasons of its events so far, in order."""
        words = self.shell("cat /tmp/events").split()
        return [word.removeprefix("reason=") for word in words if word.startswith("reason=")]

    def filter(self):
        """The filter of its network card, as QEMU has it."""
        return self.qmp("query-rx-filter")[0]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def save(self, file):
        """What is in it, to a file; it has to be stopped."""
        self.qmp("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
        self.qmp("migrate", uri=f"exec:cat > {file}")
        if not eventually(lambda: self.qmp("query-migrate")["status"] in ("completed", "failed"), 60):
            raise SystemExit(f"play: {self.name} cannot be saved")

    def log(self):
        return self.shell("cd /tmp; grep -v '^alive' events | tail -n 20; tail -n 20 elect claim")


class Play:
    def __init__(self):
        self.passed = self.failed = 0
        command("mount -t tmpfs none /run")
        # `ip netns exec` wants to put another one in its place.
        command("mount -t sysfs none /sys")
        os.makedirs("/run/netns")
        command("ip link set lo up")
        command("ip link add lan type bridge")
        command("ip link set lan up")
        command("ip addr add 192.0.2.254/24 dev lan")
        # The client is the gateway, too; the newcomer comes when it is told to; the observer has no address, so that
        # what it asks changes nothing.
        for name, number in (("client", 1), ("newcomer", 2), ("observer", None)):
            command(f"ip netns add {name}")
            command(f"ip link add {name} type veth peer name eth0 netns {name}")
            command(f"ip link set {name} master lan up")
            command(f"ip -n {name} link set eth0 up")
            if number:
                command(f"ip -n {name} addr add 192.0.2.{number}/24 dev eth0")
                command(f"ip -n {name} addr add 2001:db8::{number}/64 dev eth0 nodad")
        self.machines = [Machine(number) for number in (1, 2, 3)]

    def named(self, name):
        return next(machine for machine in self.machines if machine.name == name)

    def living(self):
        return [machine for machine in self.machines if machine.process.poll() is None]

    def check(self, what, holds, figures=""):
        line = f"{what}: {figures}" if figures else what
        if holds:
            self.passed += 1
            print(f"ok: {line}", flush=True)
        else:
            self.failed += 1
            print(f"FAILED: {line}", flush=True)
            for machine in self.living():
                print(f"--- {machine.name}\n{machine.log()}", file=sys.stderr, flush=True)

    def check_time(self, what, time, limit, figures="", also=True):
        self.check(what, also and time <= limit, f"{time:.0f} ms ({limit:.0f} allowed){figures}")

    def boot(self):
        begun = milliseconds()
        for machine in self.machines:
            machine.start()
        up = all([eventually(lambda: machine.shell("echo up", 1), 60) for machine in self.machines])
        self.check("three machines boot", up, f"{(milliseconds() - begun) / 1000:.1f} s")
        for machine in self.machines:
            machine.begin()
        if not up or not self.settled():
            raise SystemExit("play: no election without them")

    def settled(self):
        """Whether one is master and all others stand by, and know of each other."""
        machines = self.living()

        def is_settled():
            states = [machine.status() for machine in machines]
            roles = sorted(state.get("role", "") for state in states)
            counts = {state.get("members") for state in states}
            return roles == ["master"] + ["standby"] * (len(machines) - 1) and counts == {len(machines)}

        return eventually(is_settled, 30)

    # The checks

    def network_card(self):
        """virtio-net passes on only what the kernel has asked it for; a namespace's cable passes on everything."""
        filters = [machine.filter() for machine in self.machines]
        strict = all(not f["promiscuous"] and f["multicast"] == "normal" for f in filters)
        self.check(
            "the card lets the heartbeats through, by name",
            strict and all(GROUP_MAC in f["multicast-table"] for f in filters))
        lines = [machine.shell("qure-elect members --cluster home").splitlines() for machine in self.machines]
        both = [sum("path=both" in line for line in heard) for heard in lines]
        self.check("each machine hears both others, and is heard", both == [2, 2, 2], f"{both}")
        holder = next(machine for machine in self.machines if machine.role() == "master")
        self.check(
            "and the questions for the IPv6 address, on the master",
            SOLICITED_MAC in filters[self.machines.index(holder)]["multicast-table"])
        asker = next(machine for machine in self.machines if machine is not holder)
        for address in (ADDRESS, ADDRESS6):
            said = asker.shell(f"qure-probe {address} 2>&1").strip()
            self.check(f"another machine finds {address}", f" alive {holder.mac} " in said, said)
        said = asker.shell("qure-probe members -i eth0 2>&1").splitlines()
        self.check("and all members of the group, by their reports", len(said) == 3, f"{len(said)}")

    def power_button(self):
        with Watch() as watch:
            old = self.named(watch.holder)
            pressed = milliseconds()
            old.qmp("system_powerdown")
            new, lost, outage = watch.move(pressed)
            first = watch.client.all("answered")[-1]["at_ns"] / 1e6
            together, _ = watch.together()
        self.check(
            "power button: another machine has the address", new and self.named(new).role() == "master",
            f"{old.name}, then {new} {first - pressed:.0f} ms later")
        # No request is to be lost; where this machine is so busy that an heir comes too late, few are.
        self.check_time(
            "the clients have no answer for", outage, watch.slack,
            f", lost {lost[0]} requests of IPv4, {lost[1]} of IPv6")
        self.check_time("two answer for it during the hand-over", together, INTERVAL)
        reasons = old.reasons()
        self.check(
            "the machine is still up, stands by, and says why",
            old.role() == "standby" and "power-button" in reasons, f"{old.name}: {' '.join(reasons[-2:])}")
        self.check("the cluster has settled", self.settled())

    def pause(self, file):
        """The master is paused and goes on; meanwhile it is saved to a file, as it was."""
        with Watch() as watch:
            old = self.named(watch.holder)
            old.qmp("stop")
            stopped = milliseconds()
            new = watch.next()
            # This one has not had to do with the address before: its question is broadcast, and waits for the machine
            # that is paused, too.
            newcomer = Instrument("newcomer", "meter", "--site", ADDRESS, "--rate", "50")
            eventually(newcomer.answerer)
            old.save(file)
            time.sleep(max(0, PAUSE - (milliseconds() - stopped) / 1000))
            outage = watch.outage()
            effort = Effort(old)
            resumed = milliseconds()
            old.qmp("cont")
            stands = eventually(lambda: "slept" in " ".join(old.reasons()) and old.role() == "standby")
            time.sleep(3)
            together, end = watch.together(resumed)
            limit = INTERVAL + 50 + effort.until(end)
            watch.lost()
            after = watch.outage(resumed)
            newcomer.stop()
            seen = max([span["outage_us"] / 1000 for span in newcomer.all("outage", resumed)], default=0)
        self.check_time(
            f"paused for {PAUSE} s: another machine has the address, after", outage, TAKE_OVER + watch.slack,
            f", {old.name}, then {new}", bool(new))
        self.check_time("it goes on: two have the address for", together, limit)
        self.check(
            "it has noticed, and stands by", stands, f"{old.name}: {' '.join(old.reasons()[-3:])}")
        self.check_time("the client has no answer for", after, limit + watch.slack)
        self.check_time("and a client whose question had waited for the paused machine", seen, limit + watch.slack)
        self.check("the cluster has settled", self.settled())
        return old

    def killing(self):
        """The master dies without a word."""
        with Watch() as watch:
            old = self.named(watch.holder)
            old.kill()
            new, lost, outage = watch.move()
        self.check_time(
            "killed: another machine has the address, after", outage, TAKE_OVER + watch.slack,
            f", {old.name}, then {new}, {sum(lost)} requests lost", bool(new))
        self.check("the cluster has settled", self.settled())

    def restore(self, old, file):
        """What was master once comes back as it was then: an earlier term, earlier numbers, earlier clocks."""
        old.kill()
        with Watch() as watch:
            before = watch.holder
            newcomer = Instrument("newcomer", "meter", "--site", ADDRESS, "--rate", "50")
            eventually(newcomer.answerer)
            begun = milliseconds()
            old.start(saved=file)
            eventually(lambda: old.qmp("query-status")["status"] == "paused")
            effort = Effort(old)
            old.qmp("cont")
            stands = eventually(lambda: old.role() == "standby")
            time.sleep(3)
            together, end = watch.together(begun)
            limit = INTERVAL + 50 + effort.until(end)
            lost = watch.lost()
            outage = watch.outage(begun)
            newcomer.stop()
            seen = max([span["outage_us"] / 1000 for span in newcomer.all("outage", begun)], default=0)
            after = watch.client.answerer()
            terms = [machine.status().get("term") for machine in (old, self.named(before))]
        self.check_time("an old state of a master comes back: two have the address for", together, limit)
        self.check("it has noticed, and stands by", stands, f"{old.name}: {' '.join(old.reasons()[-3:])}")
        self.check("the master stays", after == before and terms[0] == terms[1], f"{before}, term {terms[1]}")
        self.check_time(
            "the clients have no answer for", max(outage, seen), limit + watch.slack, f", {sum(lost)} requests lost")
        self.check("the cluster has settled", self.settled())

    def virtual_mac(self):
        for machine in self.living():
            machine.end()
        for machine in self.living():
            machine.begin("--virtual-mac")
        settled = self.settled()
        with Watch() as watch:
            old = self.named(watch.holder)
            macs = eventually(lambda: {record["mac"] for record in watch.witness.all("taken")})
            self.check(
                "with a hardware address of its own the address is reached, through the card's filter",
                settled and macs == {VIRTUAL_MAC} and VIRTUAL_MAC in old.filter()["unicast-table"]
                and not old.filter()["promiscuous"], f"{old.name}, {' '.join(macs)}")
            old.qmp("system_powerdown")
            new, lost, outage = watch.move()
        # The switch has to learn where it is now, and what the old machine still says teaches it otherwise.
        self.check_time(
            "power button: it moves, and the clients have no answer for", outage, INTERVAL + watch.slack,
            f", {old.name}, then {new}, {sum(lost)} requests lost", bool(new))
        self.check(
            "the card that had it lets nothing through for it any more",
            VIRTUAL_MAC not in old.filter()["unicast-table"])

    def run(self):
        file = f"{WORK}/saved"
        self.boot()
        self.network_card()
        self.power_button()
        saved = self.pause(file)
        self.killing()
        self.restore(saved, file)
        self.virtual_mac()
        os.remove(file)
        print(f"{self.passed} passed, {self.failed} failed")
        return self.failed == 0


sys.exit(0 if Play().run() else 1)
