using System.Diagnostics;
using System.Globalization;

namespace Portmap.Wire;

/// <summary>What one run of the load client measured.</summary>
/// <param name="PerSecond">Calls per second.</param>
/// <param name="MedianMicroseconds">Of one call, when they are made one at a time; else 0.</param>
internal readonly record struct Figure(double PerSecond, double MedianMicroseconds)
{
    public static Figure Read(Process load)
    {
        string line = load.StandardOutput.ReadLine() ?? throw new InvalidOperationException("The load client failed, see above.");
        double[] numbers = [.. line.Split(' ').Select(word => double.Parse(word, CultureInfo.InvariantCulture))];
        return new Figure(numbers[0], numbers[1]);
    }
}
