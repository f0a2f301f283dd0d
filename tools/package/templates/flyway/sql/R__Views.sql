CREATE OR REPLACE VIEW announcement_now AS
	SELECT id, title FROM announcement WHERE shown_until IS NULL OR shown_until >= current_date;
