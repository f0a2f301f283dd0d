<?php
// make-files.php FOLDER: writes the files that the wiki's people uploaded. The same bits every time.
// Pictures are drawn by arithmetic, and random-looking bytes come from a hash chain.

[ , $dir ] = $argv;

function chunk( string $type, string $data ): string {
	return pack( 'N', strlen( $data ) ) . $type . $data . pack( 'N', crc32( $type . $data ) );
}

function png( int $width, int $height, callable $colour ): string {
	$rows = '';
	for ( $y = 0; $y < $height; $y++ ) {
		$rows .= "\0";
		for ( $x = 0; $x < $width; $x++ ) {
			$rows .= pack( 'C3', ...$colour( $x, $y ) );
		}
	}
	return "\x89PNG\r\n\x1a\n" . chunk( 'IHDR', pack( 'NNC5', $width, $height, 8, 2, 0, 0, 0 ) ) .
		chunk( 'IDAT', gzcompress( $rows, 6 ) ) . chunk( 'IEND', '' );
}

function pdf( string $text ): string {
	$stream = "BT /F1 24 Tf 72 720 Td ($text) Tj ET";
	$objects = [
		'<< /Type /Catalog /Pages 2 0 R >>',
		'<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
		'<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>',
		'<< /Length ' . strlen( $stream ) . " >>\nstream\n$stream\nendstream",
		'<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>',
	];
	$out = "%PDF-1.4\n";
	$offsets = [];
	foreach ( $objects as $i => $object ) {
		$offsets[] = strlen( $out );
		$out .= ( $i + 1 ) . " 0 obj\n$object\nendobj\n";
	}
	$xref = strlen( $out );
	$out .= "xref\n0 6\n0000000000 65535 f \n";
	foreach ( $offsets as $offset ) {
		$out .= sprintf( "%010d 00000 n \n", $offset );
	}
	return $out . "trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n$xref\n%%EOF\n";
}

function noise( int $bytes, string $seed ): string {
	for ( $out = ''; strlen( $out ) < $bytes; ) {
		$out .= $seed = hash( 'sha256', $seed, true );
	}
	return substr( $out, 0, $bytes );
}

$photo = noise( 640 * 480 * 3, 'photo' );
$tides = "Hour\tLevel in m\n";
for ( $hour = 0; $hour < 24 * 30; $hour++ ) {
	$tides .= sprintf( "%d\t%.2f\n", $hour, 2.1 + 1.9 * sin( $hour / 6.21 * M_PI ) );
}
$files = [
	'Harbour plan.png' => png( 240, 160, static fn ( $x, $y ) => $y > 90 + 6 * sin( $x / 9 ) ? [ 40, 90, 170 ] : [ 200, 190, 160 ] ),
	'Crane north.png' => png( 64, 128, static fn ( $x, $y ) => abs( $x - 32 ) < 4 || $y < 12 ? [ 220, 160, 0 ] : [ 180, 210, 240 ] ),
	'Crane south.png' => png( 64, 128, static fn ( $x, $y ) => abs( $x - 20 ) < 4 || $y < 12 ? [ 200, 40, 40 ] : [ 180, 210, 240 ] ),
	'码头.png' => png( 120, 80, static fn ( $x, $y ) => [ $x * 2, $y * 3, 128 ] ),
	'Quay at night.png' => png( 640, 480, static fn ( $x, $y ) => array_values( unpack( 'C3', substr( $photo, ( $y * 640 + $x ) * 3, 3 ) ) ) ),
	'Crane inspection.pdf' => pdf( 'Crane inspection: passed' ),
	'Lock gate drawing.pdf' => pdf( 'Lock gate, mitre, 1931' ),
	'Tide table.txt' => $tides,
	'Key list.txt' => "1\tgate house\n2\tcrane north\n3\tcrane south\n",
	'Übersicht – Wörter.txt' => "Kai\tquay\nSchleuse\tlock\nPoller\tbollard\n",
];
foreach ( $files as $name => $content ) {
	file_put_contents( "$dir/$name", $content );
}
