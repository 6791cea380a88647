#!/usr/bin/perl
# Exits 0 when a request goes through both ports of the proxy: the front one lets it pass, the inner one refuses it,
# which with TLS ahead it can only do behind a 200.
use strict;
use warnings;
use IO::Socket::INET;

local $SIG{ALRM} = sub { die "no answer\n" };
alarm 5;
my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => 3128, Timeout => 2) or die "$@\n";
print $socket "CONNECT probe.invalid:443 HTTP/1.1\r\nHost: probe.invalid:443\r\n\r\n";
my $line = <$socket> // "";
die "it answers: $line\n" unless $line =~ m{\AHTTP/1\.1 (?:200|403) };
