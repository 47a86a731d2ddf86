# A small web application: a page that greets and counts its visits.
use strict; use warnings; use IO::Socket::IP;
$| = 1;
sub greeting { open my $file, '<', 'config' or die "config: $!"; my ($text) = <$file> =~ /^greeting=(.*)/; $text }
my $greeting = greeting();
my $listener = IO::Socket::IP->new(LocalHost => '127.0.0.1', LocalPort => 8000,
    Listen => 64, ReuseAddr => 1, Type => SOCK_STREAM) or die "listen: $@";
my $visits = 0;
while (my $client = $listener->accept) {
    my $line = <$client> // next;
    while (my $head = <$client>) { last if $head =~ /^\r?\n$/ }
    $line =~ s/\r?\n$//;
    print "$line\n";
    my ($status, $body) = $line =~ m{^GET /ready } ? ('204 No Content', '')
        : $line =~ m{^GET / } ? ('200 OK', "$greeting, visitor " . ++$visits . "\n")
        : ('404 Not Found', "no such page\n");
    print $client "HTTP/1.1 $status\r\nContent-Type: text/plain\r\nContent-Length: " . length($body)
        . "\r\nConnection: close\r\n\r\n$body";
    close $client;
}
