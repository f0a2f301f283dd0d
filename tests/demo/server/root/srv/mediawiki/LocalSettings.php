<?php
# The site's own settings. Kept outside of the program: an upgrade of the program does not touch this file.
if ( !defined( 'MEDIAWIKI' ) ) {
	exit;
}

$wgSitename = 'Harbour Works Wiki';
$wgMetaNamespace = 'Harbour_Works';
$wgServer = 'http://wiki.harbour-works.example';
$wgScriptPath = '';
$wgResourceBasePath = '';
$wgLanguageCode = 'en';
$wgLocaltimezone = 'UTC';

# The database: on this machine, over its socket, as the user that the service runs as.
$wgDBtype = 'postgres';
$wgDBserver = '/run/postgresql';
$wgDBport = 5432;
$wgDBname = 'wikidb';
$wgDBuser = 'wikiuser';
$wgDBpassword = '';
$wgDBmwschema = 'mediawiki';

# Secrets of a demonstration, not of a site.
$wgSecretKey = 'd0b6c4e1f7a2983405162738495a6b7c8d9e0f112233445566778899aabbccdd';
$wgUpgradeKey = '0123456789abcdef';
$wgAuthenticationTokenVersion = '1';

# State outside of the program.
$wgCacheDirectory = '/var/cache/mediawiki';
$wgUploadDirectory = '/srv/mediawiki/images';
$wgUploadPath = '/images';
$wgEnableUploads = true;
$wgFileExtensions = [ 'png', 'pdf', 'txt', 'svg' ];
$wgTmpDirectory = '/tmp';

$wgMainCacheType = CACHE_ACCEL;
$wgSessionCacheType = CACHE_DB;
$wgParserCacheType = CACHE_DB;
$wgJobRunRate = 0;
$wgEnableEmail = false;
$wgUseInstantCommons = false;
$wgPingback = false;

# Who may do what: only editors write; auditors see what was deleted.
$wgGroupPermissions['*']['edit'] = false;
$wgGroupPermissions['*']['createaccount'] = false;
$wgGroupPermissions['user']['edit'] = false;
$wgGroupPermissions['user']['upload'] = false;
$wgGroupPermissions['editors']['edit'] = true;
$wgGroupPermissions['editors']['upload'] = true;
$wgGroupPermissions['editors']['createpage'] = true;
$wgGroupPermissions['sysop']['edit'] = true;
$wgGroupPermissions['auditors']['deletedhistory'] = true;
$wgGroupPermissions['auditors']['deletedtext'] = true;
$wgGroupPermissions['auditors']['browsearchive'] = true;

$wgDefaultSkin = 'monobook';
wfLoadSkin( 'MonoBook' );
wfLoadSkin( 'Vector' );
wfLoadExtension( 'Cite' );
wfLoadExtension( 'ParserFunctions' );
