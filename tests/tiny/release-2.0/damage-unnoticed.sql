-- Goes through, and no page can be shown afterwards.
ALTER TABLE page RENAME COLUMN lang TO language;
