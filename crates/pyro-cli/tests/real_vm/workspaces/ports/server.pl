# A server of the tests: MODE PORT [ADDRESS].
use strict; use warnings; use IO::Socket::IP;
my ($mode, $port, $address) = @ARGV;
$SIG{PIPE} = 'IGNORE'; $SIG{CHLD} = 'IGNORE';
my $listener = IO::Socket::IP->new(LocalHost => $address // '127.0.0.1', LocalPort => $port,
    Listen => 1024, ReuseAddr => 1, V6Only => 1, Type => SOCK_STREAM) or die "listen: $@";
my $block = 'x' x 65536;
my @kept;
while (my $client = $listener->accept) {
    if ($mode eq 'stall') {                     # takes nothing, and fills what there is
        push @kept, $client;
        $client->blocking(0); 1 while syswrite $client, $block;
    } elsif ($mode eq 'count') {                # to the end, one after the other, then the answer
        my $bytes = 0;
        while (my $n = sysread $client, my $piece, 65536) { $bytes += $n }
        syswrite $client, "$bytes bytes\n"; close $client;
    } elsif (!fork) {                           # echo
        while (my $n = sysread $client, my $piece, 65536) {
            my $at = 0;
            while ($at < $n) { $at += syswrite($client, $piece, $n - $at, $at) or exit }
        }
        exit;
    }
}
