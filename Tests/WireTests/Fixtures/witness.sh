#!/bin/sh
# Shows the golden packets as tshark understands them, one line each, and fails where it finds one damaged: an
# independent witness for whoever adds or changes a golden. Needs tshark. Not part of the tests, which must not depend
# on its version.
cd "$(dirname "$0")" || exit 71
bad=0
for golden in *.hex; do
    case $golden in
    arp-*) type=0x0806 ;;
    nd-* | mld* | icmpv6-*) type=0x86dd ;;
    *) type=0x0800 ;;
    esac
    fields='-e _ws.expert.severity -e _ws.expert.message -e _ws.col.Protocol -e _ws.col.Info'
    line=$({
        printf '0000 '
        sed 's/#.*//' "$golden" | tr '\n' ' '
        echo
    } | text2pcap -q -e "$type" - - 2>/dev/null | tshark -r - -o ip.check_checksum:TRUE \
        -T fields -E separator=' ' $fields 2>/dev/null)
    echo "$golden: $line"
    case $line in *[Mm]alformed* | *[Bb]ad\ checksum* | *incorrect* | '') bad=1 ;; esac
done
exit $bad
