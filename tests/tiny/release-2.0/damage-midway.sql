-- Each statement is on its own and stays: what a failing migration can leave behind.
ALTER TABLE page DROP COLUMN title;
DELETE FROM file;
UPDATE page SET body = 'lost';
SELECT 1 / 0;
