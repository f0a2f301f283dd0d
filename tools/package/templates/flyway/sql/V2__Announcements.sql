CREATE TABLE announcement (
	id integer PRIMARY KEY,
	title text NOT NULL,
	shown_until date
);
INSERT INTO announcement VALUES (1, '${first_title}', NULL);
