CREATE TABLE topic (
	id integer PRIMARY KEY,
	title text NOT NULL
);
