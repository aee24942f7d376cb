using CsCheck;

namespace Portmap.TestKit;

/// <summary>CsCheck's inputs, drawn by the seeds of <see cref="Seeds"/>: its own loop begins anew in
/// every run, and a seed given to it fixes the first input alone.</summary>
public static class SeededSamples
{
    /// <summary>Plays inputs of each seed; of one that fails, CsCheck looks for a smaller one.</summary>
    /// <param name="gen">Draws them.</param>
    /// <param name="check">Throws when something is wrong.</param>
    /// <param name="inputs">How many of each seed.</param>
    /// <param name="threads">Share them; each draws numbers of its own, whatever the others do.</param>
    /// <param name="print">Shows an input that fails.</param>
    public static void SampleSeeds<T>(this Gen<T> gen, Action<T> check, int inputs = 100, int threads = 1, Func<T, string>? print = null) =>
        Seeds.ForEach(
            seed => PlayAsync(
                gen,
                input =>
                {
                    check(input);
                    return Task.CompletedTask;
                },
                seed,
                inputs,
                threads,
                print).GetAwaiter().GetResult(),
            [1]);

    /// <param name="gen">Draws the inputs.</param>
    /// <param name="check">Says whether all is well.</param>
    /// <param name="inputs">How many of each seed.</param>
    /// <param name="threads">Share them.</param>
    /// <inheritdoc cref="SampleSeeds{T}(Gen{T}, Action{T}, int, int, Func{T, string})"/>
    public static void SampleSeeds<T>(this Gen<T> gen, Func<T, bool> check, int inputs = 100, int threads = 1) =>
        gen.SampleSeeds(
            input =>
            {
                if (!check(input))
                {
                    throw new InvalidOperationException("It does not hold.");
                }
            },
            inputs,
            threads);

    /// <inheritdoc cref="SampleSeeds{T}(Gen{T}, Action{T}, int, int, Func{T, string})"/>
    public static Task SampleSeedsAsync<T>(this Gen<T> gen, Func<T, Task> check, int inputs = 100, int threads = 1, Func<T, string>? print = null) =>
        Seeds.ForEachAsync(seed => PlayAsync(gen, check, seed, inputs, threads, print), [1]);

    private static Task PlayAsync<T>(Gen<T> gen, Func<T, Task> check, int seed, int inputs, int threads, Func<T, string>? print) =>
        Task.WhenAll(Enumerable.Range(0, threads).Select(thread => Task.Run(async () =>
        {
            PCG numbers = new((uint)thread + 1, (ulong)seed * 0x9E37_79B9_7F4A_7C15);   // near seeds begin far from each other
            for (int i = thread; i < inputs; i += threads)
            {
                string start = numbers.ToString();
                T input = gen.Generate(numbers, null, out _);
                try
                {
                    await check(input);
                }
                catch
                {
                    try
                    {
                        await gen.SampleAsync(check, seed: start, iter: 100, threads: 1, print: print);
                    }
                    catch (CsCheckException smaller)
                    {
                        // Its first line names a seed that only its own loop takes.
                        throw new InvalidOperationException($"it fails for {smaller.Message[(smaller.Message.IndexOf('\n') + 1)..].TrimEnd()}: {smaller.InnerException?.Message}", smaller);
                    }

                    throw;   // what came before had a part in it: alone the input passes
                }
            }
        })));
}
