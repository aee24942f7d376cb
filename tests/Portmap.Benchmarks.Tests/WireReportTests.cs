using Portmap.Wire;

namespace Portmap.Benchmarks.Tests;

/// <summary>The table of the wire says "reached" of what was compared, and of nothing else.</summary>
public class WireReportTests
{
    [Theory]
    [InlineData(3.1, true)]
    [InlineData(2.9, false)]
    public void Add_WhatWasCompared_IsMetByItsRatio(double times, bool isMet)
    {
        Report rate = new(), median = new();

        rate.AddRate("rate", new Outcome([new Figure(times, 0)], [new Figure(1, 0)]), least: 3);
        median.AddMedian("median", new Outcome([new Figure(0, 1)], [new Figure(0, times)]), most: 1 / 3.0);

        (rate.IsMet, rate.IsCompared).Should().Be((isMet, true));
        (median.IsMet, median.IsCompared).Should().Be((isMet, true));
    }

    [Fact]
    public void Add_NothingToCompareWith_IsNotCompared()
    {
        Report rate = new(), median = new();

        rate.AddRate("rate", new Outcome([new Figure(1, 0)], []), least: 3);
        rate.AddBytes("bytes", 0, most: 1);
        median.AddMedian("median", new Outcome([new Figure(0, 1)], []), most: 1.5);

        (rate.IsCompared, median.IsCompared).Should().Be((false, false));
        rate.IsMet.Should().BeTrue("nothing was missed");
    }
}
