using System.Globalization;
using Portmap.Persistence;

namespace Portmap.Tests.Persistence;

/// <summary>A line break that is lost costs no fact: the next line is known by its mark, wherever
/// the file is cut into buffers.</summary>
public sealed class LostLineBreakTests : IDisposable
{
    /// <summary>How much is read at once.</summary>
    private const int Buffer = 2 * FactLine.MaxLength;

    private readonly StateFolderOfTest _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Load_AnyOneLineBreakLost_GivesAllFacts()
    {
        PortFact[] facts = Facts(9);
        byte[] whole = await WriteAsync(facts);
        foreach (int lineBreak in LineBreaks(whole)[..^1])
        {
            await File.WriteAllBytesAsync(_folder.StatePath, [.. whole[..lineBreak], .. whole[(lineBreak + 1)..]]);
            await AllComeBackAsync(facts, lostBreaks: 1);
        }
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(7)]
    public async Task Load_SeveralLinesJoined_GivesAllFacts(int joined)
    {
        PortFact[] facts = Facts(3 * joined);
        byte[] whole = await WriteAsync(facts);
        int line = 0;
        await File.WriteAllBytesAsync(_folder.StatePath, [.. whole.Where(value => value != '\n' || line++ % joined == 0)]);
        await AllComeBackAsync(facts);
    }

    [Theory]
    [InlineData(8, false)]
    [InlineData(8, true)]
    [InlineData(3_000, false)]
    [InlineData(3_000, true)]
    public async Task Load_AllLineBreaksLost_GivesAllFacts(int count, bool lastToo)
    {
        PortFact[] facts = Facts(count);
        byte[] whole = await WriteAsync(facts);
        byte[] joined = [.. whole.Where(value => value != '\n')];
        await File.WriteAllBytesAsync(_folder.StatePath, lastToo ? joined : [.. joined, (byte)'\n']);
        await AllComeBackAsync(facts, lostBreaks: count);
    }

    [Fact]
    public async Task Load_LineBreakLostAcrossABuffersEdge_GivesAllFacts()
    {
        // Each way a pair of joined lines may lie on the edge, and the mark of the second one right
        // on it.
        PortFact[] facts = Facts(700);
        for (int shift = 0; shift < 480; shift += 7)
        {
            facts[0] = FactGen.Bound(new string('x', 1 + shift), 1, 16);
            byte[] whole = await WriteAsync(facts);
            int lineBreak = Array.LastIndexOf(whole, (byte)'\n', Buffer);
            await File.WriteAllBytesAsync(_folder.StatePath, [.. whole[..lineBreak], .. whole[(lineBreak + 1)..]]);
            await AllComeBackAsync(facts, lostBreaks: 1);
        }
    }

    [Fact]
    public async Task Load_AllLineBreaksLostAtAnyPlaceOfTheEdge_GivesAllFacts()
    {
        PortFact[] facts = Facts(700);
        for (int shift = 0; shift < 240; shift += 3)
        {
            facts[0] = FactGen.Bound(new string('x', 1 + shift), 1, 16);
            byte[] whole = await WriteAsync(facts);
            await File.WriteAllBytesAsync(_folder.StatePath, [.. whole.Where(value => value != '\n')]);
            await AllComeBackAsync(facts);
        }
    }

    [Theory]
    [InlineData(12)]
    [InlineData(700)]
    public async Task Load_DamageAmongJoinedLines_CostsThatFactAlone(int count)
    {
        PortFact[] facts = Facts(count);
        byte[] whole = await WriteAsync(facts);
        int[] ends = LineBreaks(whole);
        foreach (int damaged in (int[])[0, count / 2, count - 1])
        {
            byte[] bytes = [.. whole];
            bytes[ends[damaged] + 30] ^= 1;
            await File.WriteAllBytesAsync(_folder.StatePath, [.. bytes.Where(value => value != '\n'), (byte)'\n']);
            (List<string> lines, _) = await _folder.LoadAsync();
            lines.Should().Equal(FactGen.Standing([.. facts[..damaged], .. facts[(damaged + 1)..]]), "line {0} is damaged", damaged);
        }
    }

    [Fact]
    public async Task Load_LastOfJoinedLinesIsCut_GivesThoseBeforeAndCutsIt()
    {
        PortFact[] facts = Facts(4);
        byte[] whole = await WriteAsync(facts);
        byte[] joined = [.. whole.Where(value => value != '\n')];
        int last = Array.LastIndexOf(joined, FactLine.Mark);
        for (int length = last + 1; length < joined.Length; length++)
        {
            await File.WriteAllBytesAsync(_folder.StatePath, joined[..length]);
            (List<string> lines, List<string> complaints) = await _folder.LoadAsync();
            lines.Should().Equal(FactGen.Standing(facts[..^1]));
            complaints.Should().Contain(text => text.Contains($"last {length - last} bytes", StringComparison.Ordinal));
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Load_NewerVersionWhoseLineBreakIsLost_IsRefusedAndLeftAsItIs(bool lost)
    {
        byte[] whole = await WriteAsync(Facts(3));
        byte[] header = FactLine.MakeHeader(StateScan.Version + 1);
        byte[] newer = [.. header[..^1], .. lost ? [] : "?"u8.ToArray(), .. whole[FactLine.Header.Length..]];
        await File.WriteAllBytesAsync(_folder.StatePath, newer);
        PortRefusedException refused = await Assert.ThrowsAsync<PortRefusedException>(_folder.LoadAsync);
        refused.Refusal.Reason.Should().Be(PortRefusalReason.StateUnreadable);
        (await File.ReadAllBytesAsync(_folder.StatePath)).Should().Equal(newer);
    }

    private static PortFact[] Facts(int count) =>
        [.. Enumerable.Range(1, count).Select(i => i % 5 == 0 ? FactGen.Ended($"vol0:/bricks/b{i}", i, 16 * i, DateTimeOffset.MaxValue) : FactGen.Bound($"vol0:/bricks/#{i}", i, 16 * i))];

    private static int[] LineBreaks(byte[] bytes) => [.. Enumerable.Range(0, bytes.Length).Where(i => bytes[i] == '\n')];

    private async Task<byte[]> WriteAsync(PortFact[] facts)
    {
        File.Delete(_folder.StatePath);
        await _folder.AppendAsync(facts);
        return await File.ReadAllBytesAsync(_folder.StatePath);
    }

    private async Task AllComeBackAsync(PortFact[] facts, int lostBreaks = 0)
    {
        (List<string> lines, List<string> complaints) = await _folder.LoadAsync();
        lines.Should().Equal(FactGen.Standing(facts));
        complaints.Should().ContainSingle("nothing is damaged but line breaks");
        if (lostBreaks > 0)
        {
            complaints[0].Should().StartWith(string.Create(CultureInfo.InvariantCulture, $"{lostBreaks} line break"));
        }

        _folder.Files(".damaged-*").Should().BeEmpty("no byte is damaged");
        (lines, complaints) = await _folder.LoadAsync();
        lines.Should().Equal(FactGen.Standing(facts));
        complaints.Should().BeEmpty("the file was written anew");
    }
}
