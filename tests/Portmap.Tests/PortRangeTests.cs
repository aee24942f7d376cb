namespace Portmap.Tests;

public class PortRangeTests
{
    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(1, 65535, 65535)]
    [InlineData(49152, 65535, 16384)]
    [InlineData(65535, 65535, 1)]
    public void Constructor_ValidBounds_HoldsBothEnds(int first, int last, int count)
    {
        PortRange range = new(first, last);

        range.First.Should().Be(first);
        range.Last.Should().Be(last);
        range.Count.Should().Be(count);
        range.Contains(first).Should().BeTrue();
        range.Contains(last).Should().BeTrue();
        range.Contains(first - 1).Should().BeFalse();
        range.Contains(last + 1).Should().BeFalse();
    }

    [Theory]
    [InlineData(0, 10)]
    [InlineData(-1, 10)]
    [InlineData(1, 65536)]
    [InlineData(65536, 65536)]
    [InlineData(int.MinValue, int.MaxValue)]
    public void Constructor_OutsideThePorts_NamesValueAndBound(int first, int last)
    {
        Action make = () => _ = new PortRange(first, last);

        make.Should().Throw<ArgumentOutOfRangeException>().WithMessage($"*{first}-{last} is not within 1 to 65535;*");
    }

    [Fact]
    public void Constructor_Reversed_NamesTheRemedy()
    {
        Action make = () => _ = new PortRange(65535, 49152);

        make.Should().Throw<ArgumentOutOfRangeException>().WithMessage("*65535-49152*reversed*49152-65535*");
    }

    [Theory]
    [InlineData("49152-65535", 49152, 65535)]
    [InlineData("80", 80, 80)]
    [InlineData(" 80 - 90 ", 80, 90)]
    [InlineData("1-1", 1, 1)]
    public void Parse_Range_ReadsBothEnds(string text, int first, int last)
    {
        PortRange.Parse(text).Should().Be(new PortRange(first, last));
        PortRange.TryParse(text, out PortRange range).Should().BeTrue();
        range.Should().Be(new PortRange(first, last));
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("-")]
    [InlineData("1-")]
    [InlineData("-1")]
    [InlineData("1-2-3")]
    [InlineData("0-1")]
    [InlineData("1-65536")]
    [InlineData("2-1")]
    [InlineData("1..2")]
    [InlineData("0x10-0x20")]
    [InlineData("+1-2")]
    [InlineData("99999999999-99999999999")]
    [InlineData("१-२")]
    public void Parse_NotARange_SaysWhatIsExpected(string text)
    {
        Action parse = () => PortRange.Parse(text);

        parse.Should().Throw<FormatException>().Which.Message.Should().MatchRegex("write|choose");
        PortRange.TryParse(text, out PortRange range).Should().BeFalse();
        range.Should().Be(default(PortRange));
    }

    [Fact]
    public void ParseList_AsManyRangesAsATextMayHave_ReadsThemAll() =>
        PortRange.ParseList(Singles(PortRange.MaxRanges)).Should().HaveCount(PortRange.MaxRanges);

    [Theory]
    [InlineData(1)]
    [InlineData(30_000)]
    public void ParseList_MoreRangesThanATextMayHave_NamesNumberAndBound(int more)
    {
        Action parse = () => PortRange.ParseList(Singles(PortRange.MaxRanges + more));

        parse.Should().Throw<FormatException>().WithMessage($"*{PortRange.MaxRanges + more} ranges*at most {PortRange.MaxRanges}*join*");
    }

    [Theory]
    [InlineData("x")]
    [InlineData("1-65535")]
    public void ParseList_ManyPartsAreWrong_NamesAFew(string part)
    {
        List<string> complaints = [];

        PortRange.ParseList(string.Join(',', Enumerable.Repeat(part, PortRange.MaxRanges)), complaints);

        complaints.Should().HaveCountLessThanOrEqualTo(PortRange.MaxComplaints).And.NotBeEmpty();
    }

    [Fact]
    public void ParseList_OneRangeOverlapsManyOthers_NamesAFew()
    {
        List<string> complaints = [];

        PortRange.ParseList($"{Singles(PortRange.MaxRanges - 1)},1-65535", complaints);

        complaints.Should().HaveCountLessThanOrEqualTo(PortRange.MaxComplaints).And.NotBeEmpty();
    }

    [Fact]
    public void TryParse_Null_IsFalse() => PortRange.TryParse(null, out _).Should().BeFalse();

    [Fact]
    public void Default_HoldsNoPort()
    {
        default(PortRange).Count.Should().Be(0);
        default(PortRange).Contains(0).Should().BeFalse();
        default(PortRange).Contains(1).Should().BeFalse();
    }

    [Fact]
    public void ToString_AnyRange_IsReadBackByParse() =>
        PortRange.Parse(new PortRange(20000, 20009).ToString()).Should().Be(new PortRange(20000, 20009));

    private static string Singles(int count) => string.Join(',', Enumerable.Range(1, count).Select(i => (2 * i).ToString(System.Globalization.CultureInfo.InvariantCulture)));
}
