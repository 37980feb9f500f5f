#!/usr/bin/perl
# The same source gives the same assembly: mcs writes the time into the PE header and a random module version
# id (MVID). The time becomes 0, the MVID what MD5 makes of the rest. ECMA-335 (II.24, II.25) has the layout.
#   deterministic.pl ASSEMBLY
use strict;
use warnings;
use Digest::MD5 qw(md5);

my ($path) = @ARGV;
open(my $in, '<:raw', $path) or die "$path: $!\n";
my $bytes = do { local $/; <$in> };
close $in;

sub u16 { return unpack('v', substr($bytes, $_[0], 2)) }
sub u32 { return unpack('V', substr($bytes, $_[0], 4)) }

my $pe = u32(0x3c);
die "$path: no PE file\n" unless substr($bytes, $pe, 4) eq "PE\0\0";
substr($bytes, $pe + 8, 4) = "\0" x 4;

my $optional = $pe + 24;
my $directories = $optional + (u16($optional) == 0x20b ? 112 : 96);
my $sections = $optional + u16($pe + 20);

# Where an address of the loaded image is in the file.
sub offset {
    my ($address) = @_;
    for my $i (0 .. u16($pe + 6) - 1) {
        my $section = $sections + 40 * $i;
        my ($size, $start, $raw) = (u32($section + 8), u32($section + 12), u32($section + 20));
        return $address - $start + $raw if $address >= $start && $address < $start + $size;
    }
    die "$path: address outside all sections\n";
}

# Directory 14 is the CLI header; its metadata has a list of streams, one of which holds the MVID.
my $metadata = offset(u32(offset(u32($directories + 8 * 14)) + 8));
my $stream = $metadata + 16 + u32($metadata + 12);
my $count = u16($stream + 2);
$stream += 4;
my $patched = 0;
for (1 .. $count) {
    my $name = unpack('Z*', substr($bytes, $stream + 8, 32));
    if ($name eq '#GUID') {
        my $guid = $metadata + u32($stream);
        substr($bytes, $guid, 16) = "\0" x 16;
        substr($bytes, $guid, 16) = md5($bytes);
        $patched = 1;
    }
    $stream += 8 + 4 * int((length($name) + 4) / 4);
}
die "$path: no module version id\n" unless $patched;

open(my $out, '>:raw', $path) or die "$path: $!\n";
print {$out} $bytes or die "$path: $!\n";
close $out or die "$path: $!\n";
