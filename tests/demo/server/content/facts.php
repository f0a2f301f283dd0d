<?php
// facts.php: what is true of this wiki, as JSON, read from its 1.39 tables and its files. Run as the wiki's user.
// It asks the tables themselves, not MediaWiki, so that it can't share a mistake with what it is compared with.

$db = pg_connect( 'host=/run/postgresql dbname=wikidb user=wikiuser' ) or exit( 3 );
pg_query( $db, 'SET search_path = mediawiki' );

function rows( string $sql ): array {
	global $db;
	return pg_fetch_all( pg_query( $db, $sql ) ?: exit( 3 ) );
}

$pages = [];
foreach ( rows( "SELECT page_id, page_namespace, page_title, page_is_redirect, old_text, old_flags,
		(SELECT count(*) FROM revision WHERE rev_page = page_id) AS revisions
	FROM page JOIN slots ON slot_revision_id = page_latest JOIN content ON content_id = slot_content_id
	JOIN text ON 'tt:' || old_id = content_address ORDER BY page_id" ) as $row ) {
	if ( $row['old_flags'] !== 'utf-8' ) {
		fwrite( STDERR, "facts: text flags {$row['old_flags']} of page {$row['page_id']}\n" );
		exit( 3 );
	}
	$pages[] = [
		'id' => (int)$row['page_id'], 'namespace' => (int)$row['page_namespace'], 'title' => $row['page_title'],
		'redirect' => $row['page_is_redirect'] === '1', 'revisions' => (int)$row['revisions'],
		'bytes' => strlen( $row['old_text'] ), 'sha1' => sha1( $row['old_text'] ),
	];
}

$users = [];
foreach ( rows( 'SELECT user_name, coalesce(json_agg(ug_group ORDER BY ug_group) FILTER (WHERE ug_group IS NOT NULL), \'[]\') AS groups
	FROM "user" LEFT JOIN user_groups ON ug_user = user_id GROUP BY user_name ORDER BY user_name' ) as $row ) {
	$users[] = [ 'name' => $row['user_name'], 'groups' => json_decode( $row['groups'] ) ];
}

$uploads = [];
foreach ( rows( 'SELECT img_name, img_size FROM image ORDER BY img_name' ) as $row ) {
	$hash = md5( $row['img_name'] );
	$path = "{$hash[0]}/{$hash[0]}{$hash[1]}/{$row['img_name']}";
	$content = file_get_contents( "/srv/mediawiki/images/$path" );
	if ( strlen( $content ) !== (int)$row['img_size'] ) {
		fwrite( STDERR, "facts: {$row['img_name']} differs in size from its row\n" );
		exit( 3 );
	}
	$uploads[] = [ 'name' => $row['img_name'], 'path' => $path, 'bytes' => strlen( $content ), 'sha1' => sha1( $content ) ];
}

$replaced = [];
foreach ( rows( 'SELECT oi_name, oi_archive_name FROM oldimage ORDER BY oi_archive_name' ) as $row ) {
	$hash = md5( $row['oi_name'] );
	$path = "archive/{$hash[0]}/{$hash[0]}{$hash[1]}/{$row['oi_archive_name']}";
	$replaced[] = [ 'path' => $path, 'sha1' => sha1_file( "/srv/mediawiki/images/$path" ) ];
}

preg_match( "/MW_VERSION', '([^']+)'/", file_get_contents( '/opt/mediawiki/includes/Defines.php' ), $version );
echo json_encode( [
	'application' => 'mediawiki',
	'version' => $version[1],
	'database' => pg_version( $db )['server'],
	'php' => PHP_VERSION,
	'host' => 'wiki.harbour-works.example',
	'mark' => 'Harbour Works: internal use only',
	'login' => [ 'user' => 'Dora Diver', 'password' => 'Caisson-demo-2024' ],
	'pages' => $pages, 'users' => $users, 'uploads' => $uploads, 'replaced-uploads' => $replaced,
], JSON_PRETTY_PRINT | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE ), "\n";
