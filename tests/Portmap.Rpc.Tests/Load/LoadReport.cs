using System.Globalization;

namespace Portmap.Rpc.Tests.Load;

/// <summary>What the server held before and after, and at most; the crowd prints it as one line and
/// the test reads it.</summary>
internal sealed record LoadReport(Vitals Before, Vitals Most, Vitals After, int Served, double Seconds)
{
    public static LoadReport Parse(string line)
    {
        double[] numbers = [.. line.Split(' ').Select(text => double.Parse(text, CultureInfo.InvariantCulture))];
        return new LoadReport(VitalsAt(0), VitalsAt(3), VitalsAt(6), (int)numbers[9], numbers[10]);

        Vitals VitalsAt(int at) => new((long)numbers[at], (long)numbers[at + 1], (long)numbers[at + 2]);
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Before} {Most} {After} {Served} {Seconds:0.0}");
}
