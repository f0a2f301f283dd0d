ALTER TABLE page ADD COLUMN lang text NOT NULL DEFAULT 'en', ADD COLUMN words integer;
ALTER TABLE member RENAME COLUMN name TO login;
UPDATE member SET role = 'author' WHERE role = 'writer';
