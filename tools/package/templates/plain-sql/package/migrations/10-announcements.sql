-- All of this file happens, or nothing of it.
CREATE TABLE announcement (
	id integer PRIMARY KEY,
	title text NOT NULL,
	shown_until date
);
COMMENT ON TABLE announcement IS 'what everybody is to read';
