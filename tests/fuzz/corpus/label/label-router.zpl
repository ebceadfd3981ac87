^XA
^FX Router label, 4 x 2 inch (101.6 x 50.8 mm) at 8 dots/mm. Fields are escaped by the station (FH).
^CI28
^PW812
^LL406
^LH0,0
^PQ1

^FX What it is
^FO32,24^A0N,40,38^FH^FD{{model}}^FS
^FO32,72^A0N,26,26^FDS/N^FS
^FO84,70^A0N,30,30^FH^FD{{serial}}^FS

^FX The network: its key stands as it must be typed, and in the code that a phone reads
^FO32,112^GB500,104,3,B,2^FS
^FO46,122^A0N,22,22^FDWi-Fi^FS
^FO120,120^A0N,28,28^FH^FD{{wifi_ssid}}^FS
^FO46,160^A0N,48,36^FH^FD{{wifi_key}}^FS
^FO548,20^BY2,3,10^BQN,2,4^FH^FDMA,{{wifi_qr}}^FS
^FO548,184^A0N,20,20^FDJoin the network^FS

^FX The administrator's password is another one
^FO32,226^GB500,90,3,B,2^FS
^FO46,236^A0N,22,22^FDAdministrator password^FS
^FO46,264^A0N,44,32^FH^FD{{password}}^FS

^FX What the law and the buyer ask for
^FO32,330^A0N,24,24^FH^FDSecurity updates until {{support_until}}^FS
^FO32,362^A0N,22,22^FH^FD{{contact}}^FS

^FX Easy Connect: a public key, for who sets the router up as a mesh node
^FO548,214^BY2,3,10^BQN,2,3^FH^FDMA,{{dpp_uri}}^FS

^FX The control symbol: Data Matrix, serial and attempt, for the scan on the line
^FO716,290^BXN,4,200^FH^FD{{control}}^FS
^XZ
