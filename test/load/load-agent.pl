# Prints so many numbered lines a second, each with the time at which it was printed (CLOCK_MONOTONIC, which all processes
# of a machine share), once it is told to begin. In Perl, because two hundred of them should cost the machine next to
# nothing. Usage: load-agent.pl EVENTS_A_SECOND SECONDS
use strict;
use warnings;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC sleep);

my ($rate, $seconds) = @ARGV;
$| = 1;
exit 0 unless defined <STDIN>;
my $begun = clock_gettime(CLOCK_MONOTONIC);
my $count = $rate * $seconds;
for my $n (1 .. $count) {
  my $wait = $begun + $n / $rate - clock_gettime(CLOCK_MONOTONIC);
  sleep($wait) if $wait > 0;
  printf "n %d at %.0f %s\n", $n, clock_gettime(CLOCK_MONOTONIC) * 1e9, "x" x ($n % 120);
}
