^XA
^FX Matter label, 4 x 2 inch (101.6 x 50.8 mm) at 8 dots/mm. Fields are escaped by the station (FH).
^CI28
^PW812
^LL406
^LH0,0
^PQ1

^FX What it is
^FO32,30^A0N,46,44^FH^FD{{model}}^FS
^FO32,86^A0N,26,26^FDS/N^FS
^FO84,84^A0N,30,30^FH^FD{{serial}}^FS

^FX The set-up code: QR, and the digits for who cannot scan
^FO32,126^BY2,3,10^BQN,2,6^FH^FDQA,{{matter_qr}}^FS
^FO220,150^A0N,24,24^FDSet-up code^FS
^FO220,184^A0N,52,44^FH^FD{{matter_manual}}^FS

^FX What the law and the buyer ask for
^FO32,326^A0N,26,26^FH^FDSecurity updates until {{support_until}}^FS
^FO32,362^A0N,24,24^FH^FD{{contact}}^FS

^FX The buyer's link: QR, never with a secret
^FO640,30^BY2,3,10^BQN,2,4^FH^FDMA,{{link}}^FS

^FX The control symbol: Data Matrix, serial and attempt, for the scan on the line
^FO652,248^BXN,6,200^FH^FD{{control}}^FS
^XZ
