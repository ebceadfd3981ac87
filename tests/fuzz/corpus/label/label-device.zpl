^XA
^FX Device label, 4 x 2 inch (101.6 x 50.8 mm) at 8 dots/mm. Fields are escaped by the station (FH).
^CI28
^PW812
^LL406
^LH0,0
^PQ1

^FX What it is
^FO32,30^A0N,46,44^FH^FD{{model}}^FS
^FO32,86^A0N,26,26^FDS/N^FS
^FO84,84^A0N,30,30^FH^FD{{serial}}^FS

^FX The password, read by a person: the largest thing on the label
^FO32,134^GB578,116,3,B,2^FS
^FO50,148^A0N,24,24^FDPassword^FS
^FO50,182^A0N,56,35^FH^FD{{password}}^FS

^FX What the law and the buyer ask for
^FO32,276^A0N,28,28^FH^FDSecurity updates until {{support_until}}^FS
^FO32,316^A0N,24,24^FDFound a security problem? Tell us:^FS
^FO32,346^A0N,26,26^FB580,2,0,L^FH^FD{{contact}}^FS

^FX The buyer's link: QR, never with a secret. BY2,3,10 keeps it where FO puts it.
^FO640,30^BY2,3,10^BQN,2,5^FH^FDMA,{{link}}^FS
^FO640,196^A0N,20,20^FDHelp and updates^FS

^FX The control symbol: Data Matrix, serial and attempt, for the scan on the line
^FO652,248^BXN,6,200^FH^FD{{control}}^FS
^XZ
