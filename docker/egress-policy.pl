#!/usr/bin/perl
# squid's question: may this session reach that name? The answer lies in a file named after the session's address, in a
# folder that the daemon writes. Lines of the file: `session ID`, `mode enforce|audit`, `allow NAME`, `allow *.NAME`.
#
#   name    ADDRESS HOST PORT   is HOST a name, and one that the session may ask for?
#   hello   ADDRESS HOST SNI    does the TLS hello ask for the name that the tunnel was made for?
use strict;
use warnings;

my $folder = $ENV{EGRESS_POLICY_DIR} || "/etc/squid/policy";
my $mode = shift @ARGV or die "name or hello?\n";
$| = 1;
select((select(STDERR), $| = 1)[0]);

# Two labels or more; the last begins with a letter, so that no spelling of an IP address is a name.
my $label = qr/[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?/;
my $hostname = qr/\A(?=.{1,253}\z)(?:$label\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?\z/;

while (my $line = <STDIN>) {
    chomp $line;
    my ($address, $host, $detail) = map { decoded($_) } split / /, $line;
    print +($mode eq "hello" ? hello($host, $detail) : name($address, $host, $detail)), "\n";
}

sub decoded {
    my $text = shift;
    $text =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
    return $text;
}

sub normal {
    my $name = lc shift;
    $name =~ s/\.\z//;
    return $name;
}

sub hello {
    my ($host, $sni) = @_;
    return "ERR reason=sni_missing" if !defined $sni || $sni eq "-" || $sni eq "";
    return normal($sni) eq normal($host) ? "OK" : "ERR reason=sni";
}

sub name {
    my ($address, $host, $port) = @_;
    my $name = normal($host // "");
    # The probe of this container asks for it; the inner port refuses it without looking it up.
    return "OK" if $address eq "127.0.0.1" && $name eq "probe.invalid";
    return "ERR reason=literal" unless $name =~ $hostname;
    my $policy = policy_of($address) or return "ERR reason=unknown_session";
    return "OK" if $policy->{names}{$name};
    for (my $parent = $name; $parent =~ s/\A[^.]+\.//;) {
        return "OK" if $policy->{below}{$parent};
    }
    return "ERR reason=name" if $policy->{mode} ne "audit";
    # The tunnel's own line in the log comes when it ends; this is told when it is asked for.
    print STDERR "egress-audit ", join(" ", time, $address, $name, $port), "\n";
    return "OK unlisted=yes";
}

# Read anew each time: small, and so a change counts at once. What cannot be read permits nothing.
sub policy_of {
    my $address = shift;
    return unless $address =~ /\A[0-9a-fA-F.:]{2,45}\z/;
    open my $file, "<", "$folder/$address" or return;
    my %policy = (mode => "enforce", names => {}, below => {});
    while (<$file>) {
        $policy{mode} = $1 if /\Amode (\w+)$/;
        $policy{names}{$1} = 1 if /\Aallow ([^*\s]+)$/;
        $policy{below}{$1} = 1 if /\Aallow \*\.(\S+)$/;
    }
    return \%policy;
}
