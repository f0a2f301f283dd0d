-- The schema of tiny 1.0 and what a site has in it.
CREATE TABLE member (id integer PRIMARY KEY, name text NOT NULL UNIQUE, role text NOT NULL);
CREATE TABLE page (id integer PRIMARY KEY, title text NOT NULL, body text NOT NULL, author text NOT NULL REFERENCES member (name));
CREATE TABLE file (id serial PRIMARY KEY, path text NOT NULL UNIQUE, size_bytes bigint NOT NULL, page integer REFERENCES page);
CREATE INDEX page_author ON page (author);
CREATE VIEW busy AS SELECT author, count(*) AS pages FROM page GROUP BY author;
COMMENT ON TABLE page IS 'what people write';
INSERT INTO member SELECT n, 'user' || n, CASE WHEN n = 1 THEN 'admin' WHEN n % 5 = 0 THEN 'auditor' WHEN n % 2 = 0 THEN 'writer'
	ELSE 'reader' END FROM generate_series(1, 40) n;
INSERT INTO member VALUES (41, '王芳', 'writer');
INSERT INTO page SELECT n, 'Title ' || n, repeat('word ', n % 50) || md5(n::text), 'user' || (n % 40 + 1) FROM generate_series(1, 500) n;
INSERT INTO page VALUES (501, '标题', '正文 in two' || E'\n' || 'lines \ with ''quotes''', '王芳');
