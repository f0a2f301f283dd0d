-- Goes through, and a page has lost its author.
ALTER TABLE page DROP CONSTRAINT page_author_fkey;
UPDATE page SET author = 'nobody' WHERE id = 7;
