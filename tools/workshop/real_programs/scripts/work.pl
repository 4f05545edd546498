# Hashes, strings, regular expressions, sorting and closures.
use strict;
use warnings;

my ($rounds, $size) = @ARGV;
for my $round (1 .. $rounds) {
    my $seed = $round;
    my (%seen, @list);
    for my $i (1 .. $size) {
        $seed = ($seed * 1103515245 + 12345) % 2147483648;
        my $word = sprintf('%x', $seed) . '-' . chr(97 + $seed % 26) x ($seed % 60);
        push @{$seen{substr $word, 0, 2}}, $word;
        push @list, { word => $word, length => length $word, parts => [split /-/, $word] };
    }
    my @sorted = sort { $a->{length} <=> $b->{length} || $a->{word} cmp $b->{word} } @list;
    my $text = join ' ', map { $_->{word} } @sorted;
    (my $turned = $text) =~ s/([0-9a-f]+)-([a-z]*)/$2=$1/g;
    my $check = unpack '%32C*', $turned;
    my %counts = map { $_ => scalar @{$seen{$_}} } keys %seen;
    my @adders = map { my $n = $_; sub { $_[0] + $n } } 1 .. $size;
    my $sum = 0;
    $sum += $_->($round) for @adders;
    my $groups = join ',', map { "$_:$counts{$_}" } sort keys %counts;
    printf "round %d: %d words, %d bytes, %u, sum %d, %u groups %u\n", $round, scalar @sorted, length $turned,
        $check, $sum, scalar keys %counts, unpack '%32C*', $groups;
}
