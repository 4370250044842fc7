"""The fonts of the print: Noto Sans under the SIL Open Font License (OFL.txt); every Azerbaijani letter and ₼."""
