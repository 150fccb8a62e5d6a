"""Write the binary documents of the sample knowledge base: DOCX, XLSX and PDF, the same bytes every time.

The Markdown, HTML and text documents are edited as they are. After a change here: `pip install reportlab`, then
`python bench/sample_kb.py`, and commit what it wrote. Nacre itself does not need reportlab.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Sequence
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

DOCUMENTS = Path(__file__).parent.parent / "eval" / "sample_kb" / "documents"
STAMP = datetime(2026, 5, 4, 9, 0, 0)

Table = list[list[str]]
Part = str | Table  # "# " opens a heading, "## " one below it, "- " a list item; anything else is a paragraph


EXPENSES: list[Part] = [
    "# Travel and Expense Policy 2026",
    "Lantern Bay Instruments · policy FIN-07 · version 4.0 · valid from 1 January 2026 · owner: Tomás Vidal, Finance",
    "This policy replaces version 3.2 of 2024. It holds for all trips that begin on or after 1 January 2026.",
    "## 1. Booking",
    "You book trips yourself in the Gullwing portal, at least seven days ahead. Trains are preferred where the journey takes less than five hours. Flights are economy class; premium economy is allowed on flights of more than eight hours.",
    "## 2. Hotels and meals",
    "The limits below hold per person. Higher costs need the consent of the team lead before booking.",
    [
        ["Place", "Hotel limit per night", "Daily meal allowance"],
        ["Lisbon", "140 EUR", "40 EUR"],
        ["Other places in Europe", "120 EUR", "38 EUR"],
        ["Shanghai, Beijing, Shenzhen", "600 CNY", "150 CNY"],
        ["Other places in China", "480 CNY", "130 CNY"],
        ["Rest of the world", "180 USD", "55 USD"],
    ],
    "Where breakfast is included in the room, the allowance is cut by one fifth.",
    "## 3. Private car and taxi",
    "For a private car the company pays 0.36 euros a kilometre. Taxis are paid between 22:00 and 6:00, with heavy instruments, and where there is no public transport.",
    "## 4. Guests",
    "Meals with guests are paid up to 60 euros a person. The names of the guests and the occasion belong on the receipt. Alcohol is not paid.",
    "## 5. Claims",
    "Claims are filed in the Gullwing portal within 30 days of the end of the trip; a photograph of each receipt is enough. The team lead approves claims up to 1,000 euros. Above that, Tomás Vidal approves as well.",
    "Money is paid within ten working days of the approval. A lost receipt is replaced by a signed note; this is possible twice a year.",
    "## 6. Company card",
    "Colleagues who travel more than six times a year receive a company card with a monthly limit of 2,500 euros.",
]

SECURITY: list[Part] = [
    "# Information Security Policy",
    "Lantern Bay Instruments · policy IT-02 · version 2.1 · valid from 1 September 2025 · owner: Wu Jiaming, IT",
    "## 1. Passwords and accounts",
    "Passwords have at least 14 characters. They are not changed on a schedule, only when there is reason to believe that they leaked. Every account uses a second factor; hardware keys are preferred.",
    "After ten wrong passwords an account is locked for 30 minutes.",
    "## 2. Classes of information",
    [
        ["Class", "Examples", "Where it may be kept"],
        ["Public", "manuals, price list", "anywhere"],
        ["Internal", "minutes, handbook", "company drive"],
        ["Confidential", "customer data, salaries", "encrypted drive, named persons only"],
        ["Secret", "calibration keys, unpublished drawings", "offline safe, two persons together"],
    ],
    "## 3. Devices",
    "Laptops are encrypted. A lost device is reported to the IT desk within two hours, extension 404. USB sticks of unknown origin are never plugged in, not even those handed out at fairs.",
    "## 4. Back-ups",
    "Business data are backed up every night at 23:00. Back-ups are kept for 90 days; a copy is stored in the other office. A restore is rehearsed every quarter.",
    "## 5. AI tools",
    "Confidential and secret information must not be entered into AI services outside the company. The company's own knowledge assistant may be used for internal information.",
    "## 6. Visitors",
    "Visitors sign in at the front desk and wear a blue badge. Photography is not allowed in the calibration laboratory.",
    "## 7. Reporting incidents",
    "Suspicious mail is forwarded to security@lanternbay.example. Wu Jiaming leads the response. Serious incidents are reported to the managing directors in writing within 24 hours.",
]

LEAVE: list[Part] = [
    "# 休假制度",
    "灯湾仪器（宁波）有限公司　文件编号：RS-03　版本：5.0　生效日期：2026年1月1日　负责人：周敏",
    "## 一、年休假",
    "员工的年休假天数按累计工龄计算，见下表。",
    [
        ["累计工龄", "年休假天数"],
        ["不满1年", "5天"],
        ["满1年不满5年", "10天"],
        ["满5年不满10年", "13天"],
        ["满10年不满20年", "16天"],
        ["满20年以上", "20天"],
    ],
    "当年未休完的年休假最多可结转5天，须在次年3月31日前休完，逾期作废。",
    "## 二、申请流程",
    "三天以内的休假提前两个工作日在“潮汐”系统中申请，由部门主管审批；三天以上的休假提前十个工作日申请，由部门主管和人事部共同审批。",
    "## 三、病假",
    "病假须在当天上午十点前告知主管。连续病假超过两天的，须提供医院证明。每年前十二天病假按全额发放工资，其余按基本工资的百分之八十发放。",
    "## 四、婚假、产假与陪产假",
    "- 婚假为十三天，须在领证后一年内休完。",
    "- 产假为一百八十八天。",
    "- 陪产假为十五天，可分两次使用。",
    "## 五、出海假",
    "连续随船工作满三十天的员工，上岸后享有四天出海假，不占用年休假。",
    "## 六、志愿服务假",
    "员工每年可有两天带薪志愿服务假，用于净滩、助学等公益活动，需事后提交照片或证明。",
]

TRAVEL: list[Part] = [
    "# 灯湾仪器差旅费管理办法（2026年版）",
    "文件编号：CW-07　版本：4.0　生效日期：2026年1月1日　负责人：财务部 何立群",
    "本办法替代2024年发布的3.2版，适用于2026年1月1日及以后出发的出差。",
    "## 第一条 订票",
    "员工在“鸥翼”平台自行订票，至少提前七天。高铁五小时以内可达的，乘坐高铁二等座；五小时以上的可以乘坐经济舱。",
    "## 第二条 住宿与伙食",
    "住宿与伙食按出差地点执行下列标准，超标须事先经部门主管同意。",
    [
        ["出差地点", "住宿标准（每晚）", "伙食补助（每天）"],
        ["北京、上海、广州、深圳", "600元", "150元"],
        ["省会城市与计划单列市", "480元", "130元"],
        ["其他城市", "400元", "120元"],
        ["海岛与船上", "实报实销", "180元"],
    ],
    "住宿费中含早餐的，伙食补助扣减五分之一。",
    "## 第三条 市内交通",
    "市内交通费凭票报销，每天不超过100元。携带校准设备的可以全程乘坐出租车。",
    "## 第四条 招待",
    "招待客户用餐每人不超过200元，报销时注明客户姓名与事由，酒类不予报销。",
    "## 第五条 报销",
    "出差结束后30天内在“鸥翼”平台提交报销，上传发票照片即可。部门主管审批5000元以下的报销，超过5000元的由财务负责人何立群会签。",
    "审批通过后十个工作日内付款。",
]

HERON: list[Part] = [
    "# Heron H2 Weather Station: Manual",
    "Lantern Bay Instruments · document HB-H2-EN · edition 7, February 2026 · for firmware 3.4",
    "## 1. What is in the box",
    "One base station, one outdoor sensor HS-20, one mounting bracket, four screws, two lithium AA cells and this manual.",
    "## 2. Mounting the outdoor sensor",
    "Mount the outdoor sensor 2 metres above the ground, at least 10 metres away from walls, with the arrow pointing north. The range of the radio is 300 metres in the open.",
    "Do not mount it above a chimney or on a metal roof. The sensor must hang level: the bubble stands within the black ring.",
    "## 3. First start",
    "Hold the lamp key for three seconds. The station looks for its sensor; this takes up to four minutes. The lamp turns from amber to white when the sensor has been found.",
    "## 4. Technical data",
    [
        ["Quantity", "Range", "Accuracy"],
        ["Temperature", "-40 to 60 °C", "0.2 °C"],
        ["Relative humidity", "0 to 100 %", "2 %"],
        ["Air pressure", "300 to 1100 hPa", "0.3 hPa"],
        ["Wind speed", "0 to 60 m/s", "0.5 m/s"],
        ["Rain", "0 to 400 mm/h", "4 %"],
    ],
    "The base station weighs 640 grams and draws 1.5 watts. Its housing is protected to IP54, the outdoor sensor to IP67.",
    "## 5. Error codes",
    [
        ["Code", "Meaning", "What to do"],
        ["E-101", "No signal from the outdoor sensor", "Change the batteries, move the sensor closer"],
        ["E-133", "Barometer out of range", "Send the station to the workshop"],
        ["E-217", "Clock not set", "Connect to the internet or set the time by hand"],
        ["E-305", "Memory full", "Export the readings, then delete them"],
    ],
    "## 6. Care",
    "Wipe the rain funnel with a soft cloth every month. Never oil the wind vane. Readings of the last 400 days are kept in the station.",
    "## 7. Disposal",
    "The base station holds a lithium cell. Bring it to a collection point; we also take it back free of charge.",
]

TERN: list[Part] = [
    "# 燕鸥T4潮位计使用说明书",
    "灯湾仪器　文件编号：SM-T4-CN　第4版　2026年3月　适用固件：5.2.0",
    "## 一、产品简介",
    "燕鸥T4是一台雷达式潮位计，用于港口、海岛和河口的水位观测。仪器不接触水面，不受水温和盐度影响。",
    "## 二、装箱清单",
    "主机一台，安装支架一副，太阳能板一块，锂亚电池一组，防水接头两个，说明书一份。",
    "## 三、技术参数",
    [
        ["项目", "指标"],
        ["测量范围", "0.5 米至 15 米"],
        ["准确度", "±3 毫米"],
        ["测量间隔", "1 分钟至 60 分钟，可设置"],
        ["工作温度", "-30 ℃ 至 65 ℃"],
        ["防护等级", "IP68"],
        ["主机重量", "2.8 千克"],
        ["数据存储", "8 GB，约可保存10年"],
    ],
    "## 四、安装",
    "雷达窗口应高出最高潮位至少1.2米，并与码头立面保持0.8米以上的距离。支架用四颗M10不锈钢螺栓固定，拧紧力矩为35牛·米。",
    "安装完成后，用“听潮”应用录入基准点高程，并由两人分别核对。",
    "## 五、指示灯与错误代码",
    [
        ["代码", "含义", "处理办法"],
        ["ERR_101", "电量低于百分之十", "更换电池或清洁太阳能板"],
        ["ERR_233", "回波过弱", "清洁雷达窗口，检查是否有遮挡"],
        ["ERR_404", "找不到基准点", "重新录入基准点高程"],
        ["ERR_500", "主板故障", "联系售后服务"],
    ],
    "## 六、保养",
    "每三个月用清水冲洗外壳一次，不得使用高压水枪。每两年送宁波实验室校准一次。",
    "## 七、运输与存放",
    "长期不用时取出电池，存放在干燥处，环境温度不超过40℃。",
]

PRICES: dict[str, Table] = {
    "Instruments": [
        ["Article", "Product", "Price EUR", "Price CNY", "In stock"],
        ["LB-1002", "Heron H2 weather station", "389", "2980", "yes"],
        ["LB-1020", "Outdoor sensor HS-20", "119", "880", "yes"],
        ["LB-2004", "Tern T4 tide gauge", "2450", "18600", "yes"],
        ["LB-2005", "Tern T4 tide gauge with satellite link", "2890", "21900", "on order"],
        ["LB-3001", "Plover P1 rain gauge", "249", "1880", "from September 2026"],
    ],
    "Accessories": [
        ["Article", "Product", "Price EUR", "Price CNY"],
        ["LB-9001", "Surge protector LP-2", "45", "338"],
        ["LB-9004", "Mounting mast, 2 metres", "89", "660"],
        ["LB-9007", "Copper mesh for the Tern T4", "18", "138"],
        ["LB-9011", "Lithium cells, set of four", "14", "98"],
    ],
    "Services": [
        ["Article", "Service", "Price EUR", "Price CNY"],
        ["LB-S01", "Calibration with certificate", "85", "650"],
        ["LB-S02", "Installation on site, per day", "540", "3200"],
        ["LB-S03", "Data hosting, per station and year", "36", "260"],
    ],
}

ORGANISATION: dict[str, Table] = {
    "部门": [
        ["部门", "负责人", "人数", "所在地"],
        ["总经理办公室", "陈玉兰、玛拉·林奎斯特", "4", "宁波、里斯本"],
        ["研发部", "韩立新", "15", "宁波"],
        ["固件与信息技术部", "吴嘉明", "9", "宁波"],
        ["生产与校准部", "顾长海", "20", "宁波"],
        ["销售与售后部", "索菲亚·皮雷斯", "24", "里斯本"],
        ["财务部", "何立群", "5", "宁波"],
        ["人事部", "周敏", "3", "宁波"],
        ["欧洲业务部", "亨里克·阿尔托", "6", "里斯本"],
    ],
    "值班电话": [
        ["事项", "值班人", "电话"],
        ["校准实验室", "顾长海", "分机8230"],
        ["海上应急", "韩立新", "分机8255"],
        ["信息安全", "吴嘉明", "分机8404"],
    ],
}


def write_docx(parts: Sequence[Part], path: Path, east_asian_font: str | None = None) -> None:
    """Write headings, paragraphs, lists and tables as a Word document."""
    from docx import Document
    from docx.oxml.ns import qn

    document = Document()
    if east_asian_font:
        document.styles["Normal"].font.name = "Calibri"  # makes the element that holds the fonts
        document.styles["Normal"].element.rPr.rFonts.set(qn("w:eastAsia"), east_asian_font)
    for part in parts:
        if isinstance(part, list):
            table = document.add_table(rows=0, cols=len(part[0]), style="Table Grid")
            for line in part:
                for cell, text in zip(table.add_row().cells, line, strict=True):
                    cell.text = text
        elif part.startswith("#"):
            marks, text = part.split(" ", 1)
            document.add_heading(text, level=len(marks))
        elif part.startswith("- "):
            document.add_paragraph(part[2:], style="List Bullet")
        else:
            document.add_paragraph(part)
    document.core_properties.title = str(parts[0]).lstrip("# ")
    document.core_properties.author = "Lantern Bay Instruments"
    buffer = BytesIO()
    document.save(buffer)
    path.write_bytes(_same_bytes(buffer))


def write_xlsx(sheets: dict[str, Table], path: Path, title: str) -> None:
    """Write sheets with a bold first row; whole numbers become numbers."""
    from openpyxl import Workbook
    from openpyxl.styles import Font

    book = Workbook()
    book.remove(book.active)
    for name, table in sheets.items():
        sheet = book.create_sheet(name)
        for line in table:
            sheet.append([int(cell) if re.fullmatch(r"\d+", cell) else cell for cell in line])
        for cell in sheet[1]:
            cell.font = Font(bold=True)
        for column in sheet.columns:
            sheet.column_dimensions[column[0].column_letter].width = 4 + 1.3 * max(len(str(c.value)) for c in column)
    book.properties.title = title
    book.properties.creator = "Lantern Bay Instruments"
    buffer = BytesIO()
    book.save(buffer)
    path.write_bytes(_same_bytes(buffer))


def _same_bytes(buffer: BytesIO) -> bytes:
    """The archive with all its dates set to one date."""
    out = BytesIO()
    stamp = STAMP.strftime("%Y-%m-%dT%H:%M:%SZ")
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "docProps/core.xml":
                data = re.sub(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*", rb"\g<1>" + stamp.encode(), data)
            target.writestr(zipfile.ZipInfo(name, STAMP.timetuple()[:6]), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def write_pdf(parts: Sequence[Part], path: Path, font: str, bold: str) -> None:
    """Write headings, paragraphs and tables as a PDF with page numbers."""
    from reportlab.lib import colors
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer
    from reportlab.platypus import Table as Grid

    wrap = "CJK" if font == "STSong-Light" else None
    body = ParagraphStyle("body", fontName=font, fontSize=10.5, leading=16, spaceAfter=6, wordWrap=wrap)
    heads = {1: ParagraphStyle("h1", body, fontName=bold, fontSize=19, leading=26, spaceAfter=10)}
    heads[2] = ParagraphStyle("h2", body, fontName=bold, fontSize=13, leading=20, spaceBefore=8)
    flow: list[Any] = []
    for part in parts:
        if isinstance(part, list):
            lines = [("GRID", (0, 0), (-1, -1), 0.5, colors.grey), ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke)]
            grid = Grid(
                part,
                hAlign="LEFT",
                style=[*lines, ("FONTNAME", (0, 0), (-1, -1), font), ("FONTSIZE", (0, 0), (-1, -1), 9.5)],
            )
            flow += [grid, Spacer(1, 8)]
        elif part.startswith("#"):
            marks, text = part.split(" ", 1)
            flow.append(Paragraph(text, heads[len(marks)]))
        else:
            flow.append(Paragraph(part, body))
    title = str(parts[0]).lstrip("# ")
    document = SimpleDocTemplate(str(path), pagesize=A4, title=title, author="Lantern Bay Instruments", invariant=1)
    document.build(flow, onFirstPage=_page_number(font), onLaterPages=_page_number(font))


def _page_number(font: str) -> Callable[[Any, Any], None]:
    def draw(canvas: Any, document: Any) -> None:
        canvas.setFont(font, 8)
        canvas.drawCentredString(297, 30, str(document.page))

    return draw


def main() -> None:
    """Write all eight."""
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfbase.pdfmetrics import registerFont

    registerFont(UnicodeCIDFont("STSong-Light"))
    english, chinese = DOCUMENTS / "en", DOCUMENTS / "zh"
    write_docx(EXPENSES, english / "expense-policy-2026.docx")
    write_docx(SECURITY, english / "security-policy.docx")
    write_docx(LEAVE, chinese / "leave-rules.docx", "SimSun")
    write_docx(TRAVEL, chinese / "travel-rules-2026.docx", "SimSun")
    write_pdf(HERON, english / "heron-h2-manual.pdf", "Helvetica", "Helvetica-Bold")
    write_pdf(TERN, chinese / "tern-t4-manual.pdf", "STSong-Light", "STSong-Light")
    write_xlsx(PRICES, english / "price-list-2026.xlsx", "Price list 2026")
    write_xlsx(ORGANISATION, chinese / "organisation.xlsx", "灯湾仪器组织架构（2026年）")


if __name__ == "__main__":
    main()
