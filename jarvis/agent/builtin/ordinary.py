"""English words that carry no intent by themselves, so they neither speak for nor against one."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ORDINARY = _words(
    """
    inside gb mb tb checked stuff almost nearly gig gigs new days else moments exist
    a an the this that these those there here it its he she they them their his her i me us my we our you your
    is are was were be been being am do does did doing done have has had having can could would should will
    shall may might must ought not no yes and or but if so because than then too also very really quite just
    only even still yet already again once ever never always sometimes maybe perhaps actually basically
    currently presently now right well please kindly thanks of in on at to from with without by for as into onto
    over under between through during before after since until around across against per via within upon off out
    up down what which whom why how when where whether any some all each every both either neither none many
    much less few several other another same such own one ones first second third thing things lot lots bit kind
    sort something anything everything nothing someone anyone everyone somebody anybody everybody nobody show
    tell give list display print get got see look looking view check want wanted wants need needs like know let
    ask asked answer wonder wondering think take took make makes made put go goes seem seems try trying quick
    quickly short brief briefly detailed detail details exactly roughly approximately total overall general
    current actual possible able good great nice bad hey hi oh ah um hmm hm ok okay sure yep yeah nope sir mate
    buddy friend way ways place places part side end case point moment while ago far long soon early late later
    curious interested mind mean means speak checked exist work works average fine alright top exists contain
    contains include includes become becomes anyway somehow otherwise though although however instead called
    name names specific certain whole entire complete thereof together along away back order hour hours state
    states stage stages string strings stream others sides word words
    """
)

LOOKALIKES = _words(
    """
    bread bleak brake creak crush trash cash broker choke mailed sailed nailed tailed hailed statue statues
    spice spade grace place pace drove prime ranch brunch bench tents texts nests guests fires piles tiles miles
    desks ghosts sports posts parts paste terror mirror mouse horse horses house houses court county mouth
    chance charge orange massage block click flock colonel princess logic decent regent sauce course grain train
    brain light might night right price prize party pasta pizza coffee beach peach teach reach words world would
    worth sword stone storm stork story stare share shore short shirt skirt sheet sleep steep speed spend spent
    trees three there where wheat cheat heart earth death depth birth tooth teeth truth youth music magic panic
    picnic cousin season reason person prison poison lesson lemon melon salon color colour flavour favour savour
    harbour labour country mountain fountain captain certain curtain bargain letter better butter bitter litter
    matter listen silent rabbit habit orbit summit hermit permit limit digit visit exist twist wrist
    """
)
