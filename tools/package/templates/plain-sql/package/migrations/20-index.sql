-- Each statement by itself: write them so that doing one again does no harm.
CREATE INDEX CONCURRENTLY IF NOT EXISTS announcement_shown ON announcement (shown_until);
